import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import express from 'express'
import type { RequestHandler } from 'express'
import session from 'express-session'
import type { VerifyCredentials } from 'express-custom-user-data'

declare module 'express-session' {
  interface SessionData {
    userId: string
  }
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000

/** The team's sessions. In production, use a store that several processes share, and `secure: true`. */
export function createSessions(): RequestHandler {
  return session({
    secret: randomBytes(32).toString('base64url'),
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', maxAge: WEEK_MS },
  })
}

/** The team's login. It creates a new session id, so that an attacker's session id cannot become the user's. */
export function logIn(verifyCredentials: VerifyCredentials): RequestHandler[] {
  return [
    express.json(),
    async (req, res) => {
      const user = await verifyCredentials(req.body as Parameters<VerifyCredentials>[0], req)
      if (!user) {
        res.sendStatus(401)
        return
      }
      await promisify(req.session.regenerate.bind(req.session))()
      req.session.userId = user.id
      res.sendStatus(204)
    },
  ]
}

/** The team's logout. */
export const logOut: RequestHandler = async (req, res) => {
  await promisify(req.session.destroy.bind(req.session))()
  res.sendStatus(204)
}

/** The team's guard: puts the user of the session into `req.user`. */
export const requireLogin: RequestHandler = (req, res, next) => {
  const { userId } = req.session
  if (userId === undefined) {
    res.sendStatus(401)
    return
  }
  // The type of req.user has customData, which attach() adds later.
  req.user = { id: userId } as Express.User
  next()
}
