import { randomBytes } from 'node:crypto'
import type { Request, RequestHandler } from 'express'
import jwt from 'jsonwebtoken'
import type { Collection, Document, WithId } from 'mongodb'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

/** The user that the team's verify callback returns: `req.user` in this app. */
export interface TeamUser {
  /** The `_id` of the user, as hex digits. */
  readonly accountId: string
  readonly email: string
  /** When the token ends, in seconds since the epoch. */
  readonly tokenExpiresAt: number
}

/** `req.user` with the team's type. */
export function teamUser(req: Request): TeamUser {
  return req.user as unknown as TeamUser
}

const SECRET = randomBytes(32)

/** The team's strategy: their secret, their claims, their lookup of the user. */
export function createTeamStrategy(users: Collection): Strategy {
  const options = {
    jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
    secretOrKey: SECRET,
    algorithms: ['HS256' as const],
  }
  return new Strategy(options, ({ email, exp }: { email: string; exp: number }, done) => {
    users.findOne({ email }).then(
      user => {
        done(null, user ? toTeamUser(user, exp) : false)
      },
      (error: unknown) => {
        done(error, false)
      },
    )
  })
}

/** Stands for the team's identity service: issues a token for any user, without a password. */
export function issueTeamToken(users: Collection): RequestHandler {
  return async (req, res) => {
    const user = await users.findOne({ email: String(req.params['email']) })
    if (user) res.json({ token: jwt.sign({ email: String(user['email']) }, SECRET, { expiresIn: '15m' }) })
    else res.sendStatus(404)
  }
}

/** The team's guard. */
export function requireTeamToken(): RequestHandler {
  return passport.authenticate('jwt', { session: false }) as RequestHandler
}

function toTeamUser(user: WithId<Document>, exp: number): TeamUser {
  return { accountId: user._id.toHexString(), email: String(user['email']), tokenExpiresAt: exp }
}
