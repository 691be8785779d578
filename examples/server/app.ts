import express from 'express'
import type { Express, RequestHandler, Router } from 'express'
import type { Db } from 'mongodb'
import { z } from 'zod'
import { greetingIn } from './greeting.js'
import { toPrometheusText } from './metrics.js'
import type { UserData } from './user-data.js'

/** The app. Routes before the guard are open to everybody, and routes after it have `req.user`. */
export function createApp(db: Db, userData: UserData, demo: Router): Express {
  const app = express()
  app.disable('x-powered-by')
  app.use(demo) // the page at `/`, which your app does not need
  app.get('/healthz', reportHealth(userData))
  app.get('/.well-known/jwks.json', userData.jwks())
  app.get('/metrics', showMetrics(userData))
  mountTokenRoutes(app, db, userData)

  app.use(userData.authenticate())
  mountSessionRoutes(app, userData)
  app.get('/me', showUser(userData))
  app.use('/me', userData.ownData({ fields: ['language', 'timezone'], schema: settings }))
  app.get('/greeting', greet(userData))
  // Read now, because a user who was an admin half an hour ago may no longer be one.
  app.get('/admin', userData.allow({ '%%user.custom_data.role': 'admin' }, { maxAgeMs: 0 }), countRoles(db))

  app.use(userData.errorHandler())
  return app
}

function mountTokenRoutes(app: Express, db: Db, userData: UserData): void {
  const verifyCredentials = userData.passwordCredentials({ collection: db.collection('users') })
  app.post('/auth/login', userData.login(verifyCredentials))
  app.post('/auth/refresh', userData.refresh())
  app.post('/auth/logout', userData.logout())
}

/** The fields and values that users may write into their own document. */
const settings = z.object({
  language: z.string().min(2).max(35).optional(),
  timezone: z.string().min(1).max(64).optional(),
})

/** Mounted behind the guard, because the access token says whose sessions they are. */
function mountSessionRoutes(app: Express, userData: UserData): void {
  app.use('/auth/sessions', userData.ownSessions())
  app.post('/auth/logout-all', userData.logoutAll())
}

/** For load balancers: answers 503 while MongoDB does not answer. */
function reportHealth(userData: UserData): RequestHandler {
  return async (_req, res) => {
    const healthy = await userData.ready().then(
      () => true,
      () => false,
    )
    res.status(healthy ? 200 : 503).json({ status: healthy ? 'ok' : 'unavailable' })
  }
}

/** For Prometheus. In your app, make sure that only Prometheus can reach it. */
function showMetrics(userData: UserData): RequestHandler {
  return (_req, res) => {
    res.type('text/plain; version=0.0.4').send(toPrometheusText(userData.stats()))
  }
}

function showUser(userData: UserData): RequestHandler {
  return (req, res) => {
    const { id, customData } = userData.user(req)
    res.json({ id, customData })
  }
}

/** For admins only: the number of users with each role. */
function countRoles(db: Db): RequestHandler {
  return async (_req, res, next) => {
    try {
      const roles = db
        .collection('custom_user_data')
        .aggregate([
          { $group: { _id: '$role', count: { $sum: 1 } } },
          { $sort: { _id: 1 } },
          { $project: { _id: 0, role: '$_id', count: 1 } },
        ])
      res.json({ roles: await roles.toArray() })
    } catch (error) {
      next(error)
    }
  }
}

function greet(userData: UserData): RequestHandler {
  return (req, res) => {
    res.json({ greeting: greetingIn(userData.user(req).customData.language) })
  }
}
