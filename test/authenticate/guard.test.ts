import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { Guard } from 'express-custom-user-data'
import { Passport } from 'passport'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { onError } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', n: 1 })
  userData = createTestUserData(database)
  await userData.ready()
})

/** Stands for another strategy: each request is alice's. */
const aliceByOthers: RequestHandler = (req, _res, next) => {
  Object.assign(req, { user: { id: 'alice' } })
  next()
}

/** Middleware of an app that awaits a guard. */
const awaiting =
  (guard: Guard): RequestHandler =>
  (req, res, next) => {
    guard.run(req, res).then(() => {
      next()
    }, next)
  }

const toAnswer = onError((error, res) => {
  const { code, headers } = error as { code?: string; headers?: object }
  res.status(500).json({ code, headers })
})

const appOf = (...handlers: RequestHandler[]): Express =>
  express()
    .get('/', ...handlers, (req, res) => res.json({ user: (req as { user?: unknown }).user ?? null }))
    .use(toAnswer)

const ask = (app: Express, token?: string) =>
  token === undefined ? request(app).get('/') : request(app).get('/').set('Authorization', token)

describe('guard.run(req, res)', () => {
  it('does what the middleware does: the same user, headers and errors', async () => {
    const token = bearerOf('alice')
    const forms = [userData.authenticate(), awaiting(userData.authenticate())]
    for (const given of [token, undefined, 'Bearer nonsense', 'Bearer']) {
      const [plain, awaited] = await Promise.all(forms.map(form => ask(appOf(form), given)))
      expect(awaited).toMatchObject({ status: plain!.status, body: plain!.body as object })
      expect(awaited!.headers['cache-control']).toBe(plain!.headers['cache-control'])
    }
    expect((await ask(appOf(forms[1]!), token)).body).toMatchObject({ user: { customData: { n: 1 } } })
  })

  it('of authenticate({ optional: true }) resolves without a token, and req.user is undefined', async () => {
    const guard = awaiting(userData.authenticate({ optional: true }))
    expect((await ask(appOf(aliceByOthers, guard))).body).toEqual({ user: null })
  })

  it('of attach() adds customData, and each request with the same token shares one snapshot', async () => {
    const app = appOf(aliceByOthers, awaiting(userData.attach()))
    const token = bearerOf('alice')
    database.commands.clear()
    for (let turn = 0; turn < 3; turn++) {
      expect((await ask(app, token)).body).toMatchObject({ user: { id: 'alice', customData: { n: 1 } } })
    }
    expect(database.commands.loads()).toHaveLength(1)
    expect((await ask(appOf(awaiting(userData.attach())), token)).body).toMatchObject({
      code: 'attach_misconfigured',
    })
  })

  it('of allow() rejects if the rule does not hold', async () => {
    const guards = (n: number) => [
      awaiting(userData.authenticate()),
      awaiting(userData.allow(({ customData }) => customData['n'] === n)),
    ]
    expect((await ask(appOf(...guards(1)), bearerOf('alice'))).status).toBe(200)
    expect((await ask(appOf(...guards(2)), bearerOf('alice'))).body).toMatchObject({ code: 'forbidden' })
  })

  it('takes a request that has no response, such as the handshake of a socket', async () => {
    const withCookie = createTestUserData(database, { tokenPlaces: { cookie: 'access_token' } })
    const handshake = (headers: object) =>
      ({ headers, method: 'GET', url: '/', originalUrl: '/' }) as unknown as IncomingMessage
    const req = handshake({ authorization: bearerOf('alice') })
    const { run } = withCookie.authenticate()
    await run(req)
    expect(withCookie.user(req)).toMatchObject({ id: 'alice' })
    const stale = handshake({ cookie: 'access_token=nonsense' })
    await expect(withCookie.authenticate().run(stale)).rejects.toMatchObject({ code: 'invalid_token' })
    await expect(withCookie.authenticate({ optional: true }).run(stale)).resolves.toBeUndefined()
  })
  it('takes the request and the response of a server without Express', async () => {
    const guard = userData.authenticate()
    const server = createServer((req, res) => {
      guard.run(req, res).then(
        () => res.end(userData.user(req).id),
        (error: unknown) => res.writeHead((error as { status: number }).status).end(),
      )
    })
    const { text, headers } = await request(server).get('/').set('Authorization', bearerOf('alice'))
    expect(text).toBe('alice')
    expect(headers).toHaveProperty('cache-control')
    expect((await request(server).get('/')).status).toBe(401)
  })
})

describe('a throw of a value that Express takes for leave to go on lets nobody through', () => {
  /** An app whose earlier middleware defined a `req.user` that throws when a guard sets it. */
  const throwing =
    (thrown: unknown): RequestHandler =>
    (req, _res, next) => {
      Object.defineProperty(req, 'user', {
        configurable: true,
        get: () => undefined,
        set: () => {
          throw thrown
        },
      })
      next()
    }

  it.each([undefined, null, false, 0, '', 'route', 'router'])('%j', async thrown => {
    const guards = [
      userData.authenticate(),
      awaiting(userData.authenticate()),
      userData.authenticate({ optional: true }),
      userData.authenticate({ maxAgeMs: 0 }),
      new Passport()
        .use(userData.strategy())
        .authenticate('custom-user-data', { session: false }) as RequestHandler,
    ]
    for (const guard of guards) {
      for (const token of [bearerOf('alice'), bearerOf('alice')])
        expect((await ask(appOf(throwing(thrown), guard), token)).status).toBe(500)
    }
  })

  it.each([undefined, null, false, 0, '', 'route', 'router'])('%j from a getter', async thrown => {
    const reading: RequestHandler = (req, _res, next) => {
      Object.defineProperty(req, 'user', {
        get: () => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- JavaScript can throw any value
          throw thrown
        },
      })
      next()
    }
    for (const guard of [userData.attach(), userData.attach({ optional: true }), userData.allow(() => true)])
      expect((await ask(appOf(reading, guard))).status).toBe(500)
  })
})
