import type { Server } from 'node:http'
import { MongoClient } from 'mongodb'
import type { CustomUserData } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openDatabase, primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

/** What an instance is given to wait; a busy machine may add as much again and more. */
const LOAD_TIMEOUT_MS = 500
const GENEROUS_MS = 5_000

let direct: TestDatabase
let proxy: TcpProxy
beforeAll(async () => {
  direct = await openDatabase()
  const { host, port } = await primaryAddress(direct.client)
  proxy = await startTcpProxy(host, port)
})
afterAll(async () => {
  await proxy.close()
  await direct.close()
})

let database: TestDatabase
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let server: Server
beforeEach(async () => {
  database = await openDatabase({ proxyPort: proxy.port })
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', version: 1 })
  userData = createTestUserData(database, {
    loadTimeoutMs: LOAD_TIMEOUT_MS,
    sessionTimeoutMs: LOAD_TIMEOUT_MS,
  })
  await userData.ready()
  server = await listen(createGuardedApp(userData))
})
afterEach(async () => {
  await proxy.restore()
  userData.close()
  server.close()
  await database.close()
})

const getMe = (authorization: string, to: Server = server) =>
  request(to).get('/me').set('Authorization', authorization)

/** As long as it takes the driver to find its server again, which is its own business. */
const untilServed = (authorization: string, to: Server = server) =>
  vi.waitFor(async () => expect((await getMe(authorization, to)).status).toBe(200), { timeout: 15_000 })

function expectUnavailable({ status, headers, body }: Response): void {
  expect(status).toBe(503)
  expect(headers['retry-after']).toBe('1')
  expect(headers).not.toHaveProperty('www-authenticate')
  expect(JSON.stringify(body)).not.toMatch(/mongo|ECONN|127\.0\.0\.1|timed? ?out/i)
}

describe.each(['cut', 'pause'] as const)('while the way to MongoDB is gone (%s)', fault => {
  it('a cached token is served, others get 503 in time, and all goes on by itself', async () => {
    const [cached, cold] = [bearerOf('alice'), bearerOf('alice')]
    await getMe(cached)
    proxy[fault]()
    expect((await getMe(cached)).body).toMatchObject({ version: 1 })
    const began = performance.now()
    const refused = await getMe(cold)
    expect(performance.now() - began).toBeLessThan(GENEROUS_MS)
    expectUnavailable(refused)
    expect(refused.body.code).toBe('custom_data_unavailable')
    await proxy.restore()
    await untilServed(cold)
  })

  it('login and refresh are 503, and the refresh token is good afterwards', async () => {
    const { refresh_token } = (await request(server).post('/login').send({ user: 'alice' })).body
    proxy[fault]()
    for (const [path, body] of [
      ['/login', { user: 'alice' }],
      ['/refresh', { refresh_token }],
      ['/logout', { refresh_token }],
    ] as const) {
      const refused = await request(server).post(path).send(body)
      expectUnavailable(refused)
      expect(refused.body.error).toBe('temporarily_unavailable')
    }
    await proxy.restore()
    await untilServed(bearerOf('alice'))
    expect((await request(server).post('/refresh').send({ refresh_token })).status).toBe(200)
  })

  it('ready() rejects in time, and resolves once it is back', async () => {
    proxy[fault]()
    const began = performance.now()
    await expect(userData.ready()).rejects.toThrow()
    expect(performance.now() - began).toBeLessThan(GENEROUS_MS)
    await proxy.restore()
    await vi.waitFor(() => userData.ready(), { timeout: 15_000 })
  })
})

it('an app can start while MongoDB is away, and serves once it is there', async () => {
  proxy.cut()
  const client = new MongoClient(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`)
  const late = createTestUserData(
    { db: client.db(database.db.databaseName) },
    { loadTimeoutMs: LOAD_TIMEOUT_MS },
  )
  const lateServer = await listen(createGuardedApp(late))
  expectUnavailable(await getMe(bearerOf('alice'), lateServer))
  await proxy.restore()
  await untilServed(bearerOf('alice'), lateServer)
  late.close()
  lateServer.close()
  await client.close()
})

it('a slow MongoDB is 503 at the deadline, and never a request with its data missing', async () => {
  proxy.delay(LOAD_TIMEOUT_MS * 2)
  const answers = await Promise.all(Array.from({ length: 20 }, () => getMe(bearerOf('alice'))))
  for (const answer of answers) expectUnavailable(answer)
})
