// Runs where package.json here was installed. Each peer as its README sets it up, issuer and audience included.
import express from 'express'
import { expressjwt } from 'express-jwt'
import { auth } from 'express-oauth2-jwt-bearer'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

/**
 * The apps, by package. Each takes `{ alg, key, issuer, audience, findUser }`, the key as text: a secret or a public
 * key in PEM. `/` is guarded as the package comes; `/anywhere` also reads tokens from the query, where it can.
 */
export const apps = {
  'passport-jwt': passportJwt,
  'express-jwt': expressJwt,
  'express-oauth2-jwt-bearer': oauth2JwtBearer,
}

function passportJwt({ key, issuer, audience, findUser }) {
  const guard = jwtFromRequest => {
    const options = { jwtFromRequest, secretOrKey: key, issuer, audience }
    const strategy = new Strategy(options, (payload, done) => {
      findUser(payload.sub).then(user => done(null, user ?? false), done)
    })
    return new passport.Passport().use(strategy).authenticate('jwt', { session: false })
  }
  const inHeader = ExtractJwt.fromAuthHeaderAsBearerToken()
  const inQuery = ExtractJwt.fromUrlQueryParameter('access_token')
  return guarded(guard(inHeader), guard(ExtractJwt.fromExtractors([inHeader, inQuery])))
}

function expressJwt({ alg, key, issuer, audience }) {
  const options = { secret: key, algorithms: [alg], issuer, audience }
  return guarded(expressjwt(options), expressjwt({ ...options, getToken: fromHeaderOrQuery }))
}

function oauth2JwtBearer({ alg, key, issuer, audience }) {
  const signedBy = alg.startsWith('HS') ? { secret: key } : { publicKey: key }
  const guard = auth({ issuer, audience, tokenSigningAlg: alg, ...signedBy })
  return guarded(guard, guard)
}

/** As express-jwt's README has it. */
function fromHeaderOrQuery(req) {
  const [scheme, token] = req.headers.authorization?.split(' ') ?? []
  return scheme === 'Bearer' ? token : req.query.access_token
}

function guarded(guard, guardAnywhere) {
  const app = express()
  // Express would log each refusal otherwise.
  app.set('env', 'test')
  app.use(express.urlencoded({ extended: false }))
  app.use('/anywhere', guardAnywhere, letThrough)
  app.use(guard, letThrough)
  return app
}

function letThrough(_req, res) {
  res.json({ letThrough: true })
}
