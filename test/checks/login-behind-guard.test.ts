import express, { Router } from 'express'
import type { Express, RequestHandler } from 'express'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { startCheckedApp } from '../support/checked-app.js'
import type { CheckedUserData } from '../support/checked-app.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()

type UserData = CheckedUserData

const start = (
  build: (app: Express, userData: UserData) => unknown,
  options?: Parameters<typeof startCheckedApp>[2],
) => startCheckedApp(database, build, options)

const loginOf = (userData: UserData) => userData.login(({ user }) => ({ id: String(user) }))
const post = async (app: Express, path: string, token?: string) => {
  const sent = request(app).post(path)
  if (token !== undefined) sent.set('Authorization', token)
  return (await sent.send({ user: 'alice' })).status
}

const passes: RequestHandler = (_req, _res, next) => {
  next()
}

describe('a login behind a guard warns at the first login, which the guard refuses', () => {
  it.each<[string, string, (app: Express, userData: UserData) => unknown]>([
    [
      'as a route of the app',
      '/login',
      (app, userData) => app.use(userData.authenticate()).post('/login', loginOf(userData)),
    ],
    [
      'by use()',
      '/login',
      (app, userData) => app.use(userData.authenticate()).use('/login', loginOf(userData)),
    ],
    [
      'in one route with the guard',
      '/login',
      (app, userData) => app.post('/login', userData.authenticate(), loginOf(userData)),
    ],
    [
      'behind other handlers',
      '/login',
      (app, userData) =>
        app.use(passes, userData.authenticate(), passes).all('/login', passes, loginOf(userData)),
    ],
    [
      'in a router that is three deep',
      '/api/v1/auth/login',
      (app, userData) =>
        app
          .use('/api', userData.authenticate())
          .use(
            '/api',
            Router().use('/v1', Router().use('/auth', Router().post('/login', loginOf(userData)))),
          ),
    ],
    [
      'in a router with the guard',
      '/api/x',
      (app, userData) => app.use('/api', Router().use(userData.authenticate()).use('/x', loginOf(userData))),
    ],
    [
      'in a mounted app with the guard',
      '/api/login',
      (app, userData) =>
        app.use('/api', express().use(userData.authenticate()).post('/login', loginOf(userData))),
    ],
  ])('%s', async (_where, path, build) => {
    const { app, warnings } = start(build)
    for (let i = 0; i < 3; i++) expect(await post(app, path)).toBe(401)
    expect(warnings).toMatchObject([{ code: 'login_behind_guard' }])
    expect(warnings[0]!.message).toContain(
      `POST ${path} was refused with 401 missing_token, because a guard stands above the route login().`,
    )
    expect(warnings[0]!.message).toContain(
      "Move the line that mounts it above app.use(userData.authenticate()). It is a line such as app.post('/login', userData.login(verifyCredentials)).",
    )
  })
})

it('a refresh behind a guard warns if a client refreshes with an access token that has expired', async () => {
  const { app, warnings } = start((app, userData) =>
    app.use(userData.authenticate()).post('/refresh', userData.refresh()),
  )
  const expired = `Bearer ${forgeToken({ claims: validClaims('alice', Date.now() - 3_600_000) })}`
  expect(await post(app, '/refresh', expired)).toBe(401)
  expect(warnings).toMatchObject([{ code: 'login_behind_guard' }])
  expect(warnings[0]!.message).toContain("app.post('/refresh', userData.refresh())")
})

describe('nothing warns', () => {
  it.each<[string, string, (app: Express, userData: UserData) => unknown]>([
    [
      'if the login is above the guard, and another route is refused',
      '/orders',
      (app, userData) => app.post('/login', loginOf(userData)).use(userData.authenticate()),
    ],
    [
      'if the login has another path than the request',
      '/orders',
      (app, userData) => app.use(userData.authenticate()).post('/login', loginOf(userData)),
    ],
    [
      'if the guard that refuses the request is not in the stack of the app',
      '/login',
      (app, userData) => {
        const guard = userData.authenticate()
        app.use((req, res, next) => guard(req, res, next)).post('/login', loginOf(userData))
      },
    ],
    [
      'if a handler in front of the login skips it',
      '/login',
      (app, userData) =>
        app
          .post('/login', (_req, _res, next) => next('route'), loginOf(userData))
          .use(userData.authenticate()),
    ],
    [
      'if the app serves the login of another instance behind its guard',
      '/login',
      (app, userData) =>
        app
          .use(userData.authenticate())
          .post('/login', loginOf(createTestUserData(database)))
          .post('/other', loginOf(userData)),
    ],
    ['if there is no login', '/login', (app, userData) => app.use(userData.authenticate())],
  ])('%s', async (_when, path, build) => {
    const { app, warnings } = start(build)
    expect(await post(app, path)).toBe(401)
    expect(warnings).toEqual([])
  })

  it('if the guard lets requests without a token through, and refuses a token that has expired', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use(userData.authenticate({ optional: true })).post('/login', loginOf(userData)),
    )
    expect(await post(app, '/login')).toBe(200)
    const expired = `Bearer ${forgeToken({ claims: validClaims('alice', Date.now() - 3_600_000) })}`
    expect(await post(app, '/login', expired)).toBe(401)
    expect(warnings).toEqual([])
  })

  it('if the guard refuses a request that is malformed, or that is no POST', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use(userData.authenticate()).use('/login', loginOf(userData)),
    )
    expect(await post(app, '/login', 'Bearer a b')).toBe(400)
    expect((await request(app).get('/login')).status).toBe(401)
    expect(warnings).toEqual([])
  })

  it('if a user with a valid token logs in behind the guard, because that works', async () => {
    const { app, warnings } = start((app, userData) =>
      app.use(userData.authenticate()).post('/login', loginOf(userData)),
    )
    expect(await post(app, '/login', bearerOf('alice'))).toBe(200)
    expect(warnings).toEqual([])
  })

  it('if the check is off', async () => {
    const { app, warnings } = start(
      (app, userData) => app.use(userData.authenticate()).post('/login', loginOf(userData)),
      { checks: { login_behind_guard: false } },
    )
    expect(await post(app, '/login')).toBe(401)
    expect(warnings).toEqual([])
  })

  it.each<[string, unknown]>([
    ['no app', undefined],
    ['an empty app', {}],
    ['an app whose members throw', new Proxy({}, { get: () => assertNever() })],
    ['an app with a stack of another form', { _router: { stack: [{ handle: 'login' }] } }],
  ])('and the request is refused as usual, if a framework gives it %s', async (_what, fake) => {
    const { app, warnings } = start((app, userData) =>
      app
        .use((req, _res, next) => {
          Object.defineProperty(req, 'app', { value: fake })
          next()
        })
        .use(userData.authenticate())
        .post('/login', loginOf(userData)),
    )
    expect(await post(app, '/login')).toBe(401)
    expect(warnings).toEqual([])
  })
})

it('the stack is read for 200 refused requests at most, so that strangers cause no work', async () => {
  let reads = 0
  const { app } = start((app, userData) => app.use(userData.authenticate()).post('/login', loginOf(userData)))
  const { _router: router = app.router } = app as unknown as { readonly _router?: { stack: unknown } }
  const { stack } = router
  Object.defineProperty(router, 'stack', { get: () => (reads++, stack) })
  const readsOf = async (count: number) => {
    reads = 0
    for (let i = 0; i < count; i++) await post(app, '/orders')
    return reads / count
  }
  const atFirst = await readsOf(200)
  expect(await readsOf(20)).toBeLessThan(atFirst)
})

function assertNever(): never {
  throw new Error('An app whose members throw.')
}
