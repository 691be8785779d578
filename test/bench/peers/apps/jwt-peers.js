// Each peer as its README sets it up, issuer and audience checked, and one findOne for the user's document.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { expressjwt } from 'express-jwt'
import { auth } from 'express-oauth2-jwt-bearer'
import { createVerifier } from 'fast-jwt'
import { LRUCache } from 'lru-cache'
import { Passport } from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'
import { AUDIENCE, createKeys, ISSUER, SECRET } from '../tokens.js'
import { bearerHeaders, createGreetingApp } from './greeting.js'

const languageOf = req => req.user.language

function passportJwt(secretOrKey, loadUser) {
  const options = {
    jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
    secretOrKey,
    issuer: ISSUER,
    audience: AUDIENCE,
  }
  const strategy = new Strategy(options, (payload, done) => {
    loadUser(payload.sub).then(user => done(null, user ?? false), done)
  })
  const guard = new Passport().use(strategy).authenticate('jwt', { session: false })
  return withTokens(createGreetingApp(languageOf, guard))
}

/** A cache as a team would add it: by user, in the verify callback, after the signature was checked. */
function cachedByUser(profiles) {
  const users = new LRUCache({ max: 10_000, ttl: 30 * 60 * 1000 })
  return async userId => {
    const known = users.get(userId)
    if (known) return known
    const user = await profiles.findOne({ userId })
    if (user) users.set(userId, user)
    return user
  }
}

function expressJwt(secret, profiles) {
  const guard = expressjwt({ secret, algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE })
  return withTokens(
    createGreetingApp(
      languageOf,
      guard,
      loadUser(profiles, req => req.auth.sub),
    ),
  )
}

function oauth2BySecret(profiles) {
  const guard = auth({ issuer: ISSUER, audience: AUDIENCE, secret: SECRET, tokenSigningAlg: 'HS256' })
  return withTokens(
    createGreetingApp(
      languageOf,
      guard,
      loadUser(profiles, req => req.auth.payload.sub),
    ),
  )
}

async function oauth2ByKeySet(profiles) {
  const keys = createKeys('RS256')
  const jwk = { ...keys.verifyWith.export({ format: 'jwk' }), kid: keys.kid, alg: keys.alg, use: 'sig' }
  const jwksUri = await serveJson({ keys: [jwk] })
  const guard = auth({ issuer: ISSUER, audience: AUDIENCE, jwksUri, tokenSigningAlg: 'RS256' })
  const app = createGreetingApp(
    languageOf,
    guard,
    loadUser(profiles, req => req.auth.payload.sub),
  )
  return withTokens(app, keys)
}

/** Verification only: no data is loaded, and the claims stand in for it. */
function fastJwt() {
  const verify = createVerifier({ key: SECRET, cache: true, allowedIss: ISSUER, allowedAud: AUDIENCE })
  const guard = (req, res, next) => {
    try {
      req.user = verify(req.headers.authorization.slice('Bearer '.length))
    } catch {
      res.sendStatus(401)
      return
    }
    next()
  }
  return withTokens(createGreetingApp(req => (req.user.sub ? 'en' : ''), guard))
}

function loadUser(profiles, subjectOf) {
  return async (req, _res, next) => {
    req.user = await profiles.findOne({ userId: subjectOf(req) })
    next()
  }
}

async function serveJson(body) {
  const server = createServer((_req, res) => {
    res.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}/jwks.json`
}

function withTokens(app, keys = createKeys('HS256')) {
  return { app, signIn: () => bearerHeaders(keys) }
}

const hs256Key = () => createKeys('HS256').verifyWith

export const jwtPeers = {
  'passport-jwt + findOne': ({ profiles }) => passportJwt(SECRET, userId => profiles.findOne({ userId })),
  'passport-jwt (KeyObject) + findOne': ({ profiles }) =>
    passportJwt(hs256Key(), userId => profiles.findOne({ userId })),
  'passport-jwt (KeyObject) + cache by user': ({ profiles }) =>
    passportJwt(hs256Key(), cachedByUser(profiles)),
  'express-jwt + findOne': ({ profiles }) => expressJwt(SECRET, profiles),
  'express-jwt (KeyObject) + findOne': ({ profiles }) => expressJwt(hs256Key(), profiles),
  'express-oauth2-jwt-bearer (HS256) + findOne': ({ profiles }) => oauth2BySecret(profiles),
  'express-oauth2-jwt-bearer (RS256) + findOne': ({ profiles }) => oauth2ByKeySet(profiles),
  'fast-jwt with its cache, no data': fastJwt,
}
