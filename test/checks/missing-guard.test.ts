import express, { Router } from 'express'
import type { Express, RequestHandler } from 'express'
import { Passport } from 'passport'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { startCheckedApp } from '../support/checked-app.js'
import type { CheckedUserData } from '../support/checked-app.js'
import { bearerOf } from '../support/guarded-app.js'

const database = useDatabase()

type UserData = CheckedUserData

const start = (
  build: (app: Express, userData: UserData) => unknown,
  options?: Parameters<typeof startCheckedApp>[2],
) => startCheckedApp(database, build, options)

/** Each handler that needs a user, with a request for it. */
const HANDLERS: Record<string, [(userData: UserData) => RequestHandler, 'get' | 'post']> = {
  'allow()': [userData => userData.allow(() => true), 'get'],
  'allow() with an expression': [userData => userData.allow({ '%%user.id': 'alice' }), 'get'],
  'ownData()': [userData => userData.ownData({ fields: ['language'] }), 'get'],
  'ownSessions()': [userData => userData.ownSessions(), 'get'],
  'logoutAll()': [userData => userData.logoutAll(), 'post'],
}

describe.each(Object.entries(HANDLERS))('%s', (name, [create, method]) => {
  it('warns once if the app has no guard, for a request without a token', async () => {
    const { app, warnings } = start((app, userData) => app.use('/own', create(userData)))
    for (let i = 0; i < 2; i++) expect((await request(app)[method]('/own')).status).toBe(401)
    expect(warnings).toMatchObject([{ code: 'guard_missing' }])
    const [callee] = name.split(' ')
    expect(warnings[0]!.message).toContain(
      `${method.toUpperCase()} /own was refused with 401, because ${callee} has no authenticate(), strategy() or attach() of the ` +
        'same instance before it.',
    )
    expect(warnings[0]!.message).toContain('app.use(userData.authenticate()) above the route')
  })

  it('warns if a request presents a token that no guard has looked at', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use('/other', userData.authenticate()).use('/own', create(userData)),
    )
    expect((await request(app)[method]('/own').set('Authorization', bearerOf('alice'))).status).toBe(500)
    expect(warnings).toMatchObject([{ code: 'guard_missing' }])
    expect(warnings[0]!.message).toContain('was answered with 500')
  })

  it.each<[string, (app: Express, userData: UserData, handler: RequestHandler) => unknown]>([
    ['the same app', (app, userData, handler) => app.use('/own', handler).use(userData.authenticate())],
    [
      'one router',
      (app, userData, handler) => app.use(Router().use('/own', handler, userData.authenticate())),
    ],
    [
      'a mounted app',
      (app, userData, handler) => app.use(express().use('/own', handler).use(userData.attach())),
    ],
  ])('warns if it stands above the guard in %s', async (_where, build) => {
    const { app, warnings } = start((app, userData) => build(app, userData, create(userData)))
    expect((await request(app)[method]('/own')).status).toBe(401)
    expect(warnings).toMatchObject([{ code: 'guard_missing' }])
    expect(warnings[0]!.message).toContain('stands above authenticate() or attach()')
  })

  it.each<[string, (app: Express, userData: UserData, handler: RequestHandler) => unknown]>([
    [
      'a guard with optional: true',
      (app, userData, handler) => app.use(userData.authenticate({ optional: true })).use('/own', handler),
    ],
    [
      'attach() with optional: true',
      (app, userData, handler) => app.use(userData.attach({ optional: true })).use('/own', handler),
    ],
    [
      'a guard that the app calls only for requests with a token',
      (app, userData, handler) => {
        const guard = userData.authenticate()
        app.use((req, res, next) => {
          if (req.headers.authorization === undefined) next()
          else void guard(req, res, next)
        })
        app.use('/own', handler)
      },
    ],
    [
      'a guard with optional: true inside a middleware, and above another guard',
      (app, userData, handler) => {
        const guard = userData.authenticate({ optional: true })
        app.use((req, res, next) => void guard(req, res, next))
        app.use('/own', handler).use(userData.authenticate())
      },
    ],
    [
      'a route that skips its guard, and above another guard',
      (app, userData, handler) =>
        app
          .all('/own', (_req, _res, next) => next('route'), userData.authenticate())
          .use('/own', handler)
          .use(userData.authenticate()),
    ],
    [
      'a guard for another path',
      (app, userData, handler) => app.use('/own', handler).use('/other', userData.authenticate()),
    ],
    [
      'a strategy that lets the next one accept anybody',
      (app, userData, handler) => {
        const passport = new Passport().use(userData.strategy()).use(new Anybody() as never)
        const chain = passport.authenticate(['custom-user-data', 'anybody'], {
          session: false,
        }) as RequestHandler
        app.use(chain).use('/own', handler)
      },
    ],
  ])('does not warn of a request without a token behind %s', async (_what, build) => {
    const { app, warnings } = start((app, userData) => build(app, userData, create(userData)))
    expect((await request(app)[method]('/own')).status).toBe(401)
    expect(warnings).toEqual([])
  })

  it('does not warn behind a guard', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use(userData.authenticate()).use('/own', create(userData)),
    )
    expect((await request(app)[method]('/own')).status).toBe(401)
    expect((await request(app)[method]('/own').set('Authorization', bearerOf('alice'))).status).not.toBe(401)
    expect(warnings).toEqual([])
  })
})

it('an app that verifies tokens itself gets no warning, because its middleware may leave requests without a user', async () => {
  const { app, warnings } = start((app, userData) => {
    app.use((req, _res, next) => {
      const { authorization } = req.headers
      if (authorization === undefined) {
        next()
        return
      }
      userData.verifyToken(authorization.slice(7)).then(user => {
        ;(req as { user?: unknown }).user = user
        next()
      }, next)
    })
    app.use(
      userData.allow(() => true),
      (_req, res) => void res.json({}),
    )
  })
  expect((await request(app).get('/').set('Authorization', bearerOf('alice'))).status).toBe(200)
  expect((await request(app).get('/')).status).toBe(401)
  expect(warnings).toEqual([])
})

it('the check can be turned off', async () => {
  const { app, warnings } = start((app, userData) => app.use(userData.allow(() => true)), {
    checks: { guard_missing: false },
  })
  expect((await request(app).get('/')).status).toBe(401)
  expect(warnings).toEqual([])
})

it('a stale cookie behind optional: true is no token that the guard has not seen', async () => {
  const { app, warnings } = start(
    (app, userData) =>
      app.use(
        userData.authenticate({ optional: true }),
        userData.allow(() => true),
      ),
    { tokenPlaces: { cookie: 'token' } },
  )
  const answer = await request(app).get('/').set('Cookie', 'token=old')
  expect(answer.status).toBe(401)
  expect(warnings).toEqual([])
})

/** A strategy of passport that lets everybody pass without a user. */
class Anybody {
  readonly name = 'anybody'
  authenticate(this: { pass: () => void }): void {
    this.pass()
  }
}
