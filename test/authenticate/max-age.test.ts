import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { Collection } from 'mongodb'
import { Passport } from 'passport'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OptionError } from 'express-custom-user-data'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf, listen } from '../support/guarded-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const MINUTE = 60_000

const deadlines = holdDeadlines()
const direct = useDatabase()
let proxy: TcpProxy
/** The database connection of the instance, through a proxy. */
let database: TestDatabase
let documents: Collection
let clock: ManualClock
let userData: ReturnType<typeof createTestUserData>
let token: string

beforeAll(async () => {
  const { host, port } = await primaryAddress(direct.client)
  proxy = await startTcpProxy(host, port)
  database = await openDatabase({ proxyPort: proxy.port })
  documents = direct.client.db(database.db.databaseName).collection('custom_user_data')
})
afterAll(async () => {
  await database.close()
  await proxy.close()
})
beforeEach(async () => {
  await documents.deleteMany()
  await documents.insertOne({ userId: 'alice', n: 1 })
  clock = createManualClock()
  await start()
})
afterEach(() => proxy.restore())

async function start(options: Parameters<typeof createTestUserData>[1] = {}): Promise<void> {
  userData = createTestUserData(database, { clock, ...options })
  await userData.ready()
  // Finds out what every instance finds out once.
  await userData.verifyToken(bearerOf('warm-up', clock.now()).slice('Bearer '.length))
  database.commands.clear()
  token = bearerOf('alice', clock.now())
}

const loads = () => database.commands.loads().length
const change = (n: number) => documents.updateOne({ userId: 'alice' }, { $set: { n } })
const ask = (app: Parameters<typeof request>[0], path: string) =>
  request(app).get(path).set('Authorization', token)

async function dataOf(app: Parameters<typeof request>[0], path: string): Promise<unknown> {
  const { status, body } = await ask(app, path)
  expect(status).toBe(200)
  return body.n
}

/** Stands for another strategy: each request is alice's. */
const aliceByOthers: RequestHandler = (req, _res, next) => {
  req.user = { id: 'alice' } as Express.User
  next()
}

/** Routes by the age that they accept: any age, a minute, or 0. */
function routes(app: Express, guard: (options?: { maxAgeMs: number }) => RequestHandler): Express {
  const show: RequestHandler = (req, res) => res.json(req.user?.customData)
  return app
    .get('/any', guard(), show)
    .get('/minute', guard({ maxAgeMs: MINUTE }), show)
    .get('/now', guard({ maxAgeMs: 0 }), show)
    .use(userData.errorHandler())
}

describe('verifyToken(token, { maxAgeMs })', () => {
  it('loads data that is older, and keeps it for the token', async () => {
    const read = async (options?: { maxAgeMs: number }) =>
      (await userData.verifyToken(token.slice('Bearer '.length), options)).customData['n']
    expect(await read()).toBe(1)
    await change(2)
    clock.advance(MINUTE - 1)
    expect(await read({ maxAgeMs: MINUTE })).toBe(1)
    clock.advance(1)
    expect(await read({ maxAgeMs: MINUTE })).toBe(2)
    await change(3)
    expect(await read({ maxAgeMs: 0 })).toBe(3)
    expect(await read()).toBe(3)
  })
})

const ways = [
  {
    way: 'authenticate()',
    createApp: () => routes(express(), options => userData.authenticate(options)),
  },
  {
    way: 'authenticate() behind authenticate()',
    createApp: () =>
      routes(express().use(userData.authenticate()), options => userData.authenticate(options)),
  },
  {
    way: 'attach() behind attach()',
    createApp: () =>
      routes(express().use(aliceByOthers, userData.attach()), options => userData.attach(options)),
  },
  {
    way: 'allow() behind authenticate()',
    createApp: () => routes(express().use(userData.authenticate()), options => userData.allow(true, options)),
  },
  {
    way: 'allow() behind strategy()',
    createApp: () => {
      const passport = new Passport().use(userData.strategy())
      const strategy = passport.authenticate('custom-user-data', { session: false }) as RequestHandler
      return routes(express().use(strategy), options => userData.allow(true, options))
    },
  },
  {
    way: 'allow() behind attach()',
    createApp: () =>
      routes(express().use(aliceByOthers, userData.attach()), options => userData.allow(true, options)),
  },
]

describe.each(ways)('maxAgeMs of $way', ({ createApp }) => {
  it('0 loads at each request, and other routes serve the latest snapshot', async () => {
    const app = createApp()
    expect(await dataOf(app, '/any')).toBe(1)
    await change(2)
    expect(await dataOf(app, '/any')).toBe(1)
    expect(loads()).toBe(1)
    expect(await dataOf(app, '/now')).toBe(2)
    expect(await dataOf(app, '/any')).toBe(2)
    expect(loads()).toBe(2)
    await change(3)
    expect(await dataOf(app, '/now')).toBe(3)
    expect(loads()).toBe(3)
  })

  it('serves a snapshot that is not older, and loads if it is older', async () => {
    const app = createApp()
    await dataOf(app, '/any')
    await change(2)
    clock.advance(MINUTE - 1)
    expect(await dataOf(app, '/minute')).toBe(1)
    clock.advance(1)
    expect(await dataOf(app, '/minute')).toBe(2)
    expect(loads()).toBe(2)
  })

  it('loads a snapshot that then lives for 30 minutes', async () => {
    token = `Bearer ${forgeToken({ claims: { ...validClaims('alice', clock.now()), exp: clock.now() / 1000 + 7_200 } })}`
    const app = createApp()
    await dataOf(app, '/any')
    clock.advance(20 * MINUTE)
    await dataOf(app, '/now')
    await change(2)
    clock.advance(30 * MINUTE - 1)
    expect(await dataOf(app, '/any')).toBe(1)
    clock.advance(1)
    expect(await dataOf(app, '/any')).toBe(2)
  })

  it('loads if the machine has slept since the last load', async () => {
    token = `Bearer ${forgeToken({ claims: { ...validClaims('alice', clock.now()), exp: clock.now() / 1000 + 86_400 } })}`
    const app = createApp()
    await dataOf(app, '/any')
    await change(2)
    clock.sleep(MINUTE - 1)
    expect(await dataOf(app, '/minute')).toBe(1)
    clock.sleep(1)
    expect(await dataOf(app, '/minute')).toBe(2)
    await change(3)
    clock.sleep(8 * 60 * MINUTE)
    expect(await dataOf(app, '/any')).toBe(3)
    expect(loads()).toBe(3)
  })

  it('is not longer if the wall clock is set back', async () => {
    const app = createApp()
    await dataOf(app, '/any')
    await change(2)
    clock.setWall(clock.now() - 10 * MINUTE)
    clock.advance(MINUTE)
    expect(await dataOf(app, '/minute')).toBe(2)
  })

  it('answers a request whose load ends after the wall clock was set forward', async () => {
    token = `Bearer ${forgeToken({ claims: { ...validClaims('alice', clock.now()), exp: clock.now() / 1000 + 86_400 } })}`
    const app = createApp()
    await dataOf(app, '/any')
    proxy.holdAnswers()
    const answer = dataOf(app, '/now')
    await expect.poll(() => proxy.holdsAnswer('firstBatch')).toBe(true)
    clock.setWall(clock.now() + 120 * MINUTE)
    proxy.resume()
    expect(await answer).toBe(1)
    await change(2)
    expect(await dataOf(app, '/any')).toBe(2)
  })

  it('is a 503 if the data cannot be loaded, and other routes still serve the cached snapshot', async () => {
    await start({ loadTimeoutMs: 200 })
    const app = createApp()
    await dataOf(app, '/any')
    proxy.pause()
    const { status, body } = (await deadlines.passUntil(ask(app, '/now'))).answer
    expect([status, body.code]).toEqual([503, 'custom_data_unavailable'])
    expect(await dataOf(app, '/any')).toBe(1)
  })
})

describe('the age of data', () => {
  it('is counted from the start of its load', async () => {
    const app = routes(express(), options => userData.authenticate(options))
    proxy.pause()
    const slow = dataOf(app, '/any')
    await expect.poll(loads).toBe(1)
    clock.advance(MINUTE)
    proxy.resume()
    await slow
    await dataOf(app, '/minute')
    expect(loads()).toBe(2)
  })

  it('of a load that began before the request is not 0: a request for 0 gets the next load', async () => {
    const app = await listen(routes(express(), options => userData.authenticate(options)))
    let arrivals = 0
    app.on('request', () => arrivals++)
    proxy.holdAnswers()
    const first = dataOf(app, '/any')
    await expect.poll(() => proxy.holdsAnswer('firstBatch')).toBe(true)
    await change(2)
    const later = dataOf(app, '/now')
    await expect.poll(() => arrivals).toBe(2)
    proxy.resume()
    expect(await first).toBe(1)
    expect(await later).toBe(2)
    app.close()
  })

  it('of 0 is shared by all requests that came before the load began, so many requests cause two loads', async () => {
    const app = await listen(routes(express(), options => userData.authenticate(options)))
    await dataOf(app, '/any')
    database.commands.clear()
    proxy.pause()
    const first = dataOf(app, '/now')
    await expect.poll(loads).toBe(1)
    let arrived = 0
    app.on('request', () => arrived++)
    const herd = Array.from({ length: 100 }, () => dataOf(app, '/now'))
    await expect.poll(() => arrived).toBe(100)
    await change(2)
    proxy.resume()
    await first
    expect(new Set(await Promise.all(herd))).toEqual(new Set([2]))
    expect(loads()).toBe(2)
    app.close()
  })

  it('concerns one user: a request does not wait for the load of another user', async () => {
    const app = routes(express(), options => userData.authenticate(options))
    await dataOf(app, '/now')
    token = bearerOf('bob', clock.now())
    expect(await dataOf(app, '/now')).toBe(undefined)
  })
})

describe('the checks of a request with maxAgeMs', () => {
  it('are the checks of every request', async () => {
    const app = routes(express(), options => userData.authenticate(options))
    const { user, access_token, refresh_token } = await userData.issueTokens('alice')
    token = `Bearer ${access_token}`
    expect(await dataOf(app, '/now')).toBe(1)
    await userData.revoke(user.id)
    expect((await ask(app, '/now')).body).toMatchObject({ code: 'invalid_token' })
    expect(refresh_token).not.toBe('')
    expect((await request(app).get('/now')).status).toBe(401)
    token = bearerOf('alice', clock.now())
    await dataOf(app, '/any')
    clock.advance(31 * MINUTE)
    expect((await ask(app, '/now')).status).toBe(401)
  })

  it('include its key, even if the key is removed during the load', async () => {
    const app = routes(express(), options => userData.authenticate(options))
    await dataOf(app, '/any')
    proxy.pause()
    const reading = ask(app, '/now').then(({ status }) => status)
    await expect.poll(loads).toBe(2)
    userData.replaceKeys([
      { kid: 'other', alg: 'HS256', key: 'another secret of the tests, 32 bytes or more' },
    ])
    proxy.resume()
    expect(await reading).toBe(401)
  })

  it('refuse a request without a token, unless the guard is optional', async () => {
    const app = express().get('/now', userData.authenticate({ maxAgeMs: 0, optional: true }), (req, res) =>
      res.json({ user: req.user ?? null }),
    )
    expect((await request(app).get('/now')).body).toEqual({ user: null })
  })
})

describe('the option maxAgeMs', () => {
  it.each([-1, NaN, Infinity, '0', null])('is refused when it is %s', maxAgeMs => {
    const options = { maxAgeMs: maxAgeMs as number }
    for (const create of [
      () => userData.authenticate(options),
      () => userData.attach(options),
      () => userData.allow(true, options),
    ]) {
      expect(create).toThrow(OptionError)
      expect(create).toThrow('option "maxAgeMs": write milliseconds, 0 or more')
    }
  })
})
