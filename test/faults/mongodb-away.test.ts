import type { Server } from 'node:http'
import { MongoClient } from 'mongodb'
import request from 'supertest'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { CustomUserData, LoadFailedEvent } from 'express-custom-user-data'
import { openDatabase, openProxiedDatabase } from '../support/database.js'
import type { ProxiedDatabase, TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

const LOAD_TIMEOUT_MS = 300
/** The time after which {@link deadlines} end a request. The driver alone would wait for 30 s. */
const MARGIN_MS = 2_000

const deadlines = holdDeadlines()
let direct: TestDatabase
let database: ProxiedDatabase
let proxy: TcpProxy
let server: Server
let failures: LoadFailedEvent[]
beforeEach(async () => {
  direct = await openDatabase()
  onTestFinished(direct.close)
  database = await openProxiedDatabase(direct, { heartbeatFrequencyMS: 500 })
  proxy = database.proxy
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', n: 1 })
  const userData = createTestUserData(database, { loadTimeoutMs: LOAD_TIMEOUT_MS, sessionTimeoutMs: 300 })
  userData.events.on('warning', () => undefined)
  failures = []
  userData.events.on('load_failed', failure => failures.push(failure))
  await userData.ready()
  server = await listen(createGuardedApp(userData))
})
afterEach(async () => {
  await proxy.restore()
  await new Promise(resolve => server.close(resolve))
})

function me(authorization: string, at = server): request.Test {
  return request(at).get('/me').set('Authorization', authorization)
}

function post(path: string, body: object): request.Test {
  return request(server).post(path).send(body)
}

async function login(): Promise<{ access: string; refresh: string }> {
  const { body } = await post('/login', { user: 'alice' }).expect(200)
  return { access: `Bearer ${String(body.access_token)}`, refresh: String(body.refresh_token) }
}

async function expectUnavailable(test: PromiseLike<request.Response>): Promise<request.Response> {
  const [response] = (await expectAllUnavailable([test])) as [request.Response]
  return response
}

async function expectAllUnavailable(tests: PromiseLike<request.Response>[]): Promise<request.Response[]> {
  const { answer: responses, passedMs } = await deadlines.passUntil(Promise.all(tests))
  expect(passedMs).toBeLessThan(LOAD_TIMEOUT_MS + MARGIN_MS)
  for (const response of responses) expectNothingToldBy(response)
  return responses
}

function expectNothingToldBy(response: request.Response): void {
  expect(response.status).toBe(503)
  expect(response.headers['retry-after']).toBe('1')
  expect(response.headers).not.toHaveProperty('www-authenticate')
  expect(response.text).not.toMatch(/mongo|ECONN|127\.0\.0\.1|timed? ?out/i)
}

function sessionCount(): Promise<number> {
  return direct.db.collection('custom_user_data_sessions').countDocuments()
}

async function untilServed(token: string, at = server): Promise<void> {
  await expect.poll(async () => (await deadlines.passUntil(me(token, at))).answer.status).toBe(200)
}

async function untilReady(
  userData: Pick<CustomUserData<Readonly<Record<string, unknown>>>, 'ready'>,
): Promise<void> {
  await expect.poll(async () => (await deadlines.passUntil(userData.ready())).answer).toBeDefined()
}

describe.each(['cut', 'pause'] as const)('while MongoDB is away, by a %s', fault => {
  it('ASVS 16.5.2: tokens with a snapshot are served as before', async () => {
    const token = bearerOf('alice')
    await me(token).expect(200)
    proxy[fault]()
    for (let n = 0; n < 5; n++) {
      const { body } = await me(token).expect(200)
      expect(body).toMatchObject({ n: 1 })
    }
  })

  it('ASVS 16.5.3: other tokens are answered with 503 in time, never with 401 and never without data', async () => {
    proxy[fault]()
    const { body } = await expectUnavailable(me(bearerOf('alice')))
    expect(body).toEqual({
      type: 'urn:express-custom-user-data:error:custom_data_unavailable',
      title: 'Custom data is unavailable for the moment',
      status: 503,
      code: 'custom_data_unavailable',
    })
    expect(failures).toMatchObject([{ userId: 'alice', code: 'custom_data_unavailable' }])
  })

  it('more requests than maxConcurrentLoads are also answered in time', async () => {
    proxy[fault]()
    await expectAllUnavailable(Array.from({ length: 200 }, () => me(bearerOf('alice'))))
  })

  it('invalid tokens are still refused with 401', async () => {
    proxy[fault]()
    await me('Bearer not.a.token').expect(401)
    await request(server).get('/me').expect(401)
  })

  it('no failure is cached, and requests are served without a restart once MongoDB is back', async () => {
    const token = bearerOf('alice')
    proxy[fault]()
    await expectUnavailable(me(token))
    await proxy.restore()
    await untilServed(token)
    const { body } = await me(token).expect(200)
    expect(body).toMatchObject({ n: 1 })
  })

  it('a login is answered with 503, and leaves no session that anybody can use', async () => {
    proxy[fault]()
    const { body, headers } = await expectUnavailable(post('/login', { user: 'alice' }))
    expect(body.error).toBe('temporarily_unavailable')
    expect(headers['cache-control']).toBe('no-store')
    await proxy.restore()
    await untilServed(bearerOf('alice'))
    // A network that was paused may still deliver the insert. Nobody has the tokens of such a session.
    expect(await sessionCount()).toBeLessThanOrEqual(fault === 'pause' ? 1 : 0)
  })

  it('a refresh is answered with 503, and its token works once MongoDB is back', async () => {
    const { refresh } = await login()
    proxy[fault]()
    for (let n = 0; n < 3; n++) {
      const { body } = await expectUnavailable(post('/refresh', { refresh_token: refresh }))
      expect(body.error).toBe('temporarily_unavailable')
    }
    await proxy.restore()
    await untilServed(bearerOf('alice'))
    await post('/refresh', { refresh_token: refresh }).expect(200)
  })

  it('a logout is answered with 503, because the session has not ended', async () => {
    const { refresh } = await login()
    proxy[fault]()
    await expectUnavailable(post('/logout', { refresh_token: refresh }))
    await proxy.restore()
    await untilServed(bearerOf('alice'))
    await post('/logout', { refresh_token: refresh }).expect(204)
    await post('/refresh', { refresh_token: refresh }).expect(400)
  })
})

describe('a refresh whose load fails', () => {
  it('does not use up the refresh token, whatever the reason', async () => {
    const documents = database.db.collection('custom_user_data')
    const { refresh } = await login()
    await documents.updateOne({ userId: 'alice' }, { $set: { big: 'x'.repeat(300_000) } })
    const { body } = await post('/refresh', { refresh_token: refresh }).expect(500)
    expect(body.error).toBe('server_error')
    await documents.updateOne({ userId: 'alice' }, { $unset: { big: 1 } })
    await post('/refresh', { refresh_token: refresh }).expect(200)
  })
})

describe('a login that fails', () => {
  it('leaves no session if the credentials are wrong or the load fails', async () => {
    await post('/login', { user: 7 }).expect(401)
    await database.db
      .collection('custom_user_data')
      .updateOne({ userId: 'alice' }, { $set: { big: 'x'.repeat(300_000) } })
    await post('/login', { user: 'alice' }).expect(500)
    expect(await sessionCount()).toBe(0)
  })
})

describe('a slow MongoDB', () => {
  it('delays no request that has a snapshot', async () => {
    const token = bearerOf('alice')
    await me(token).expect(200)
    proxy.pause()
    const slow = me(bearerOf('alice')).then(answer => answer)
    await expect.poll(() => database.commands.loads().length).toBe(2)
    await me(token).expect(200)
    await expectUnavailable(slow)
  })

  it('is not a fault if it answers in time', async () => {
    // The first load also looks at the driver and the indexes, which happens once for an instance.
    await me(bearerOf('alice')).expect(200)
    proxy.pause()
    const slow = me(bearerOf('alice')).expect(200)
    const answer = slow.then(({ body }): unknown => body)
    await expect.poll(() => database.commands.loads().length).toBe(2)
    deadlines.pass(LOAD_TIMEOUT_MS - 1)
    proxy.resume()
    expect(await answer).toMatchObject({ n: 1 })
  })
})

describe('an app that starts while MongoDB is down', () => {
  it('starts, answers 503 in time, and serves without a restart once MongoDB is up', async () => {
    proxy.cut()
    const client = new MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`, {
      heartbeatFrequencyMS: 500,
    })
    const db = client.db(database.db.databaseName)
    const userData = createTestUserData({ db }, { loadTimeoutMs: LOAD_TIMEOUT_MS })
    userData.events.on('warning', () => undefined)
    const app = await listen(createGuardedApp(userData))
    const token = bearerOf('alice')
    await expectUnavailable(me(token, app))
    await expect(deadlines.passUntil(userData.ready())).rejects.toThrow()
    await me('Bearer not.a.token', app).expect(401)
    await proxy.restore()
    await untilServed(token, app)
    await untilReady(userData)
    await new Promise(resolve => app.close(resolve))
    await client.close()
  })
})

describe('an app that starts while MongoDB is down for longer than the driver tries to connect', () => {
  it('serves without a restart once MongoDB is up', async () => {
    proxy.cut()
    const client = new MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`, {
      serverSelectionTimeoutMS: 200,
    })
    const db = client.db(database.db.databaseName)
    const userData = createTestUserData({ db }, { loadTimeoutMs: LOAD_TIMEOUT_MS })
    userData.events.on('warning', () => undefined)
    const app = await listen(createGuardedApp(userData))
    const token = bearerOf('alice')
    const causes: unknown[] = []
    userData.events.on('load_failed', ({ error }) => causes.push(error.cause))
    // After its first attempt, a driver that was never connected says that it is closed.
    for (let turn = 0; turn < 3; turn++) expectNothingToldBy(await me(token, app))
    const byDriver: unknown = expect.objectContaining({ name: expect.stringMatching(/^Mongo/) })
    expect(causes).toEqual([byDriver, byDriver, byDriver])
    await proxy.restore()
    await untilServed(token, app)
    await untilReady(userData)
    await new Promise(resolve => app.close(resolve))
    await client.close()
  })
})

describe('a fault at any step', () => {
  it('leaves no rejected promise unhandled', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const { refresh } = await login()
    const tokens = Array.from({ length: 20 }, () => bearerOf('alice'))
    database.commands.clear()
    const answers = Promise.all([
      ...tokens.map(async token => me(token)),
      post('/refresh', { refresh_token: refresh }),
      post('/login', { user: 'alice' }),
    ])
    await expect.poll(() => database.commands.loads().length).toBeGreaterThan(0)
    proxy.cut()
    for (const { status } of (await deadlines.passUntil(answers)).answer) expect([200, 503]).toContain(status)
    await proxy.restore()
    await untilServed(bearerOf('alice'))
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})
