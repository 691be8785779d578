import type { CustomUserData, CustomUserDataOptions } from 'express-custom-user-data'
import type { Express, RequestHandler } from 'express'
import type * as ExpressModule from 'express'
import type { Collection } from 'mongodb'
import type * as PassportModule from 'passport'
import type * as PassportJwtModule from 'passport-jwt'

/** The modules of an app. Each test loads them in its own way. */
export interface Libraries {
  readonly express: typeof ExpressModule.default
  readonly Passport: typeof PassportModule.default.Passport
  readonly passportJwt: Pick<typeof PassportJwtModule, 'ExtractJwt' | 'Strategy'>
  readonly createCustomUserData: (options: CustomUserDataOptions<object>) => CustomUserData<object>
}

/** The options that every instance of these tests is created with. */
export interface Settings {
  readonly collection: Collection
  readonly secret: string
  readonly issuer: string
  readonly audience: string
}

/** The three ways into the app. */
export const ROUTES = ['/authenticate', '/strategy', '/attach'] as const

/** An app whose routes answer with the id and the custom data of the user whom a guard has let through. */
export function createApp(libraries: Libraries, settings: Settings): Express {
  const { express, Passport, passportJwt } = libraries
  const { secret, issuer, audience, collection } = settings
  const userData = libraries.createCustomUserData({ ...settings, collection, loadTimeoutMs: 10_000 })
  const { ExtractJwt, Strategy } = passportJwt
  const theirs = {
    jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
    secretOrKey: secret,
    issuer,
    audience,
  }
  const passport = new Passport()
  passport.use(userData.strategy())
  passport.use(new Strategy(theirs, (claims: { sub: string }, done) => done(null, { id: claims.sub })))
  const byPassport = (name: string) => passport.authenticate(name, { session: false }) as RequestHandler
  const answer: RequestHandler = (req, res) => {
    res.json({ id: req.user?.id, customData: req.user?.customData })
  }
  return express()
    .get('/authenticate', userData.authenticate(), answer)
    .get('/strategy', byPassport('custom-user-data'), answer)
    .get('/attach', byPassport('jwt'), userData.attach(), answer)
    .use(userData.errorHandler())
}
