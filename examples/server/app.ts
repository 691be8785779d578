import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { Db } from 'mongodb'
import { greetingIn } from './greeting.js'
import { toPrometheusText } from './metrics.js'
import type { UserData } from './user-data.js'

/** The app: what is mounted before the guard is open to all, what follows it has a `req.user`. */
export function createApp(db: Db, userData: UserData): Express {
  const app = express()
  app.disable('x-powered-by')
  app.get('/healthz', reportHealth(userData))
  app.get('/.well-known/jwks.json', userData.jwks())
  app.get('/metrics', showMetrics(userData))
  mountTokenRoutes(app, db, userData)

  app.use(userData.authenticate())
  mountSessionRoutes(app, userData)
  app.get('/me', showUser(userData))
  app.get('/greeting', greet(userData))

  app.use(userData.errorHandler())
  return app
}

function mountTokenRoutes(app: Express, db: Db, userData: UserData): void {
  const verifyCredentials = userData.passwordCredentials({ collection: db.collection('users') })
  app.post('/auth/login', userData.login(verifyCredentials))
  app.post('/auth/refresh', userData.refresh())
  app.post('/auth/logout', userData.logout())
}

/** Behind the guard: whose sessions they are is told by the access token. */
function mountSessionRoutes(app: Express, userData: UserData): void {
  app.use('/auth/sessions', userData.ownSessions())
  app.post('/auth/logout-all', userData.logoutAll())
}

/** For load balancers: 503 while MongoDB does not answer. */
function reportHealth(userData: UserData): RequestHandler {
  return async (_req, res) => {
    const healthy = await userData.ready().then(
      () => true,
      () => false,
    )
    res.status(healthy ? 200 : 503).json({ status: healthy ? 'ok' : 'unavailable' })
  }
}

/** For Prometheus. In an app of your own, keep it from the outside. */
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

function greet(userData: UserData): RequestHandler {
  return (req, res) => {
    res.json({ greeting: greetingIn(userData.user(req).customData.language) })
  }
}
