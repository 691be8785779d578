import express, { Router } from 'express'
import type { ErrorRequestHandler, Express, RequestHandler } from 'express'
import { Passport } from 'passport'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

type UserData = ReturnType<typeof createTestUserData>
type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

function start(build: (app: Express, userData: UserData) => unknown, options: Options = {}) {
  const userData = createTestUserData(database, { checks: true, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  const app = express()
  build(app, userData)
  return { app, warnings }
}

const answers: ErrorRequestHandler = (_error, _req, res, next) => {
  if (res.headersSent) next()
  else res.status(418).json({})
}
const setsHeaders: RequestHandler = (_req, res, next) => {
  res.set({ 'Content-Security-Policy': "default-src 'self'", 'Content-Type': 'text/plain' })
  next()
}
const logs: ErrorRequestHandler = (error, _req, _res, next) => {
  next(error)
}

describe('an app without an error handler warns once, when Express answers an error of this package with its page', () => {
  it.each<[string, (app: Express, userData: UserData) => unknown]>([
    ['authenticate()', (app, userData) => app.use(userData.authenticate())],
    [
      'authenticate() in a router',
      (app, userData) => app.use(Router().use(Router().use(userData.authenticate()))),
    ],
    ['authenticate() in a mounted app', (app, userData) => app.use(express().use(userData.authenticate()))],
    [
      'authenticate() behind a middleware that sets headers',
      (app, userData) => app.use(setsHeaders).use(userData.authenticate()),
    ],
    [
      'guard.run() and next(error)',
      (app, userData) => {
        const guard = userData.authenticate()
        app.use((req, res, next) => void guard.run(req, res).then(() => next(), next))
      },
    ],
    [
      'allow() behind optional: true',
      (app, userData) =>
        app.use(
          userData.authenticate({ optional: true }),
          userData.allow(() => true),
        ),
    ],
    [
      'ownSessions(), whose router has an error handler that passes errors on',
      (app, userData) => app.use(userData.authenticate({ optional: true }), userData.ownSessions()),
    ],
    ['attach()', (app, userData) => app.use(userData.attach())],
  ])('%s', async (_guard, build) => {
    const { app, warnings } = start(build)
    for (let i = 0; i < 2; i++) {
      const { status, type } = await request(app).get('/')
      expect(status).toBeGreaterThanOrEqual(401)
      expect(type).toBe('text/html')
    }
    expect(warnings).toMatchObject([{ code: 'error_handler_missing' }])
    expect(warnings[0]!.message).toMatch(
      /^GET \/ failed with (401 missing_token|500 attach_misconfigured), and the app has no error handler\..* Write app\.use\(userData\.errorHandler\(\)\) below all routes/,
    )
  })

  it('the refusal of allow()', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use(
        userData.authenticate(),
        userData.allow(() => false),
      ),
    )
    expect((await request(app).head('/').set('Authorization', bearerOf('alice'))).status).toBe(403)
    expect(warnings).toMatchObject([{ code: 'error_handler_missing' }])
  })
})

it('errorHandler() above the route warns, because it gets no errors of the route', async () => {
  const { app, warnings } = start((app, userData) =>
    app.use(userData.errorHandler()).use(userData.authenticate()),
  )
  expect((await request(app).get('/')).type).toBe('text/html')
  expect(warnings).toMatchObject([{ code: 'error_handler_missing' }])
  expect(warnings[0]!.message).toContain('errorHandler() stands above this route.')
})

describe('nothing warns', () => {
  it.each<[string, (app: Express, userData: UserData) => unknown]>([
    ['errorHandler()', (app, userData) => app.use(userData.authenticate()).use(userData.errorHandler())],
    ['an error handler of its own', (app, userData) => app.use(userData.authenticate()).use(answers)],
    [
      'an error handler of its own that passes errors on to Express',
      (app, userData) => app.use(userData.authenticate()).use(logs),
    ],
    [
      'an error handler in the app that it is mounted in',
      (app, userData) => app.use('/', express().use(userData.authenticate())).use(answers),
    ],
    [
      'middleware that answers the error by itself',
      (app, userData) => {
        const guard = userData.authenticate()
        app.use((req, res, next) => void guard(req, res, error => (error ? res.status(401).end() : next())))
      },
    ],
    [
      'passport, which answers a failure by itself',
      (app, userData) =>
        app.use(
          new Passport()
            .use(userData.strategy())
            .authenticate('custom-user-data', { session: false }) as express.RequestHandler,
        ),
    ],
    [
      'passport, which hands an error of its own to Express',
      (app, userData) =>
        app.use(
          new Passport().use(userData.strategy()).authenticate('custom-user-data', {
            session: false,
            failWithError: true,
          }) as express.RequestHandler,
        ),
    ],
  ])('in an app with %s', async (_what, build) => {
    const { app, warnings } = start(build)
    expect((await request(app).get('/')).status).toBeGreaterThanOrEqual(401)
    expect(warnings).toEqual([])
  })

  it('in an app that serves an HTML page of its own with the same status', async () => {
    const { app, warnings } = start((app, userData) => {
      const guard = userData.authenticate()
      app.use(
        (req, res, next) =>
          void guard(req, res, error => (error ? res.status(401).type('html').send('Sign in.') : next())),
      )
    })
    expect((await request(app).get('/')).type).toBe('text/html')
    expect(warnings).toEqual([])
  })

  it('in an app whose stack has another form', async () => {
    const { app, warnings } = start((app, userData) =>
      app
        .use((req, _res, next) => {
          Object.defineProperty(req, 'app', { value: {} })
          next()
        })
        .use(userData.authenticate()),
    )
    expect((await request(app).get('/')).type).toBe('text/html')
    expect(warnings).toEqual([])
  })

  it('if the check is off', async () => {
    const { app, warnings } = start((app, userData) => app.use(userData.authenticate()), {
      checks: { error_handler_missing: false },
    })
    expect((await request(app).get('/')).type).toBe('text/html')
    expect(warnings).toEqual([])
  })
})

it('200 answers are looked at, so that strangers cause no work', async () => {
  const listeners: number[] = []
  const { app } = start((app, userData) =>
    app.use(userData.authenticate()).use(((_error, _req, res, next) => {
      listeners.push(res.listenerCount('finish'))
      answers(_error, _req, res, next)
    }) as ErrorRequestHandler),
  )
  for (let i = 0; i < 201; i++) await request(app).get('/')
  expect(listeners[199]).toBe(listeners[0])
  expect(listeners[200]).toBe(listeners[0]! - 1)
})

it.each([undefined, {}, { once: 'no function' }])(
  'a guard that gets no response of Node rejects as usual: %j',
  async res => {
    const userData = createTestUserData(database, { checks: true })
    const req = { headers: {}, url: '/', method: 'GET' }
    await expect(userData.authenticate().run(req as never, res as never)).rejects.toMatchObject({
      code: 'missing_token',
    })
  },
)
