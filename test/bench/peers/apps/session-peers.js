// The user's data is in the session, or in the session's user: nothing more is looked up for it.
import { betterAuth } from 'better-auth'
import { mongodbAdapter } from 'better-auth/adapters/mongodb'
import { fromNodeHeaders } from 'better-auth/node'
import MongoStore from 'connect-mongo'
import session from 'express-session'
import { USERS, userIdOf } from '../database.js'
import { SECRET } from '../tokens.js'
import { createGreetingApp } from './greeting.js'

/** Fewer than elsewhere: each costs a password hash. */
const BETTER_AUTH_USERS = 5

function expressSession({ client, db, profiles }) {
  const store = MongoStore.create({
    client,
    dbName: db.databaseName,
    collectionName: 'express_sessions',
    // As its README advises: without it each request is a write as well.
    touchAfter: 24 * 3600,
  })
  const sessions = session({ secret: SECRET, resave: false, saveUninitialized: false, store })
  const app = createGreetingApp(req => req.session.user.language, sessions)
  app.post('/login/:userId', async (req, res) => {
    const { _id, ...user } = await profiles.findOne({ userId: req.params.userId })
    req.session.user = user
    res.json({ id: String(_id) })
  })
  const signIn = origin =>
    Promise.all(
      Array.from({ length: USERS }, async (_, index) => {
        const answer = await fetch(`${origin}/login/${userIdOf(index)}`, { method: 'POST' })
        return { cookie: toCookie(answer.headers) }
      }),
    )
  return { app, signIn }
}

function betterAuthWith(cookieCache, { client, db }) {
  const auth = betterAuth({
    database: mongodbAdapter(db, { client }),
    secret: SECRET,
    baseURL: 'http://127.0.0.1',
    emailAndPassword: { enabled: true },
    user: { additionalFields: { language: { type: 'string', required: false, defaultValue: 'en' } } },
    session: { cookieCache },
    telemetry: { enabled: false },
    logger: { disabled: true },
  })
  const guard = async (req, res, next) => {
    const found = await auth.api.getSession({ headers: fromNodeHeaders(req.headers) })
    if (!found) {
      res.sendStatus(401)
      return
    }
    req.user = found.user
    next()
  }
  const signIn = () =>
    Promise.all(
      Array.from({ length: BETTER_AUTH_USERS }, async (_, index) => {
        const userId = userIdOf(index)
        const body = {
          name: userId,
          email: `${userId}-${process.pid}@example.com`,
          password: 'a long password',
        }
        const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true })
        return { cookie: toCookie(headers) }
      }),
    )
  return { app: createGreetingApp(req => req.user.language, guard), signIn }
}

function toCookie(headers) {
  return headers
    .getSetCookie()
    .map(cookie => cookie.slice(0, cookie.indexOf(';')))
    .join('; ')
}

export const sessionPeers = {
  'express-session + connect-mongo': expressSession,
  'better-auth, cookie cache on': context => betterAuthWith({ enabled: true, maxAge: 5 * 60 }, context),
  'better-auth, cookie cache off': context => betterAuthWith({ enabled: false }, context),
}
