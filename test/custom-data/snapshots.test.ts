import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import express from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const MINUTE_MS = 60_000
const TTL_MS = 30 * MINUTE_MS

let database: TestDatabase
let clock: ManualClock
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let server: Server
beforeAll(async () => {
  database = await openDatabase()
  await createTestUserData(database).ready()
})
afterAll(() => database.close())
beforeEach(async () => {
  clock = createManualClock()
  userData = createTestUserData(database, { clock })
  server = await listen(createGuardedApp(userData))
  await profiles().deleteMany({})
  await profiles().insertOne({ userId: 'alice', version: 1 })
  // The index is looked up once.
  await getMe(bearerOf('nobody', clock.now()))
  database.commands.clear()
})
afterEach(() => {
  userData.close()
  server.close()
})

const profiles = () => database.db.collection('custom_user_data')
const getMe = (authorization: string, to: Server = server) =>
  request(to).get('/me').set('Authorization', authorization)
const versionFor = async (authorization: string) => (await getMe(authorization)).body.version as unknown
const setVersion = (version: number) => profiles().updateOne({ userId: 'alice' }, { $set: { version } })
const queries = () => database.commands.named('find', 'aggregate').length
/** A token that outlives the copies bound to it. */
const longLived = (sub = 'alice') =>
  `Bearer ${forgeToken({ claims: { ...validClaims(sub, clock.now()), exp: clock.now() / 1000 + 86_400 } })}`

describe('a copy of custom data', () => {
  it('serves for 30 minutes, and is then read anew by the next request', async () => {
    const token = longLived()
    expect(await versionFor(token)).toBe(1)
    await setVersion(2)
    clock.advance(TTL_MS - 1)
    expect(await versionFor(token)).toBe(1)
    clock.advance(2)
    expect(await versionFor(token)).toBe(2)
    expect(queries()).toBe(2)
  })

  it('does not live longer for being read', async () => {
    const token = longLived()
    for (let minute = 0; minute <= 30; minute++) {
      await getMe(token)
      clock.advance(MINUTE_MS)
    }
    await setVersion(2)
    expect(await versionFor(token)).toBe(2)
  })

  it('costs nothing while its token is idle', async () => {
    await getMe(longLived())
    clock.advance(10 * TTL_MS)
    expect(queries()).toBe(1)
  })

  it('ends with its token: at exp and the tolerance', async () => {
    const token = bearerOf('alice', clock.now())
    clock.advance(20 * MINUTE_MS)
    await getMe(token)
    clock.advance(10 * MINUTE_MS + 5_000 - 1)
    expect((await getMe(token)).status).toBe(200)
    clock.advance(1)
    expect((await getMe(token)).status).toBe(401)
    expect(queries()).toBe(1)
  })

  it('ends with its token also where the wall clock was put forward, and never lives for ever', async () => {
    const token = bearerOf('alice', clock.now())
    await getMe(token)
    clock.setWall(clock.now() + 30 * MINUTE_MS + 5_000)
    expect((await getMe(token)).status).toBe(401)
  })

  it('is not older than 30 minutes also where the wall clock was put back', async () => {
    const token = longLived()
    await getMe(token)
    await setVersion(2)
    clock.advance(TTL_MS + 1)
    clock.setWall(clock.now() - TTL_MS)
    expect(await versionFor(token)).toBe(2)
  })

  it('belongs to one token: two tokens of a user hold two, each as old as its own first request', async () => {
    const [first, second] = [bearerOf('alice', clock.now()), bearerOf('alice', clock.now())]
    expect(await versionFor(first)).toBe(1)
    await setVersion(2)
    expect(await versionFor(second)).toBe(2)
    expect(await versionFor(first)).toBe(1)
  })

  it('is made at login and at every refresh, so that the first request costs no query', async () => {
    const login = await request(server).post('/login').send({ user: 'alice' })
    await setVersion(2)
    const refreshed = await request(server).post('/refresh').send({ refresh_token: login.body.refresh_token })
    database.commands.clear()
    expect(await versionFor(`Bearer ${login.body.access_token as string}`)).toBe(1)
    expect(await versionFor(`Bearer ${refreshed.body.access_token as string}`)).toBe(2)
    expect(queries()).toBe(0)
  })

  it('of nothing is a copy too: a user without a document costs one query a token', async () => {
    const token = bearerOf('carol', clock.now())
    for (let round = 0; round < 100; round++) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => getMe(token)))
      for (const { status, body } of answers) expect([status, body]).toEqual([200, {}])
    }
    expect(queries()).toBe(1)
  })

  it("is nobody else's: no handler can change what another request sees", async () => {
    const app = express().use(userData.authenticate())
    app.get('/', (req, res) => {
      const user = userData.user(req) as { id: string; customData: object; claims: object }
      const changes = [
        () => ((user.customData as { version: number }).version = 9),
        () => ((user.claims as { sub: string }).sub = 'mallory'),
        () => Object.assign(user.customData, { admin: true }),
        (): unknown => Object.setPrototypeOf(user.customData, { admin: true }) as unknown,
      ]
      for (const change of changes) expect(change).toThrow(TypeError)
      user.id = 'mallory'
      res.json(req.user)
    })
    const token = bearerOf('alice', clock.now())
    await request(app).get('/').set('Authorization', token).expect(200)
    const { body } = await request(app).get('/').set('Authorization', token).expect(200)
    expect(await versionFor(token)).toBe(1)
    expect(body.customData).not.toHaveProperty('admin')
  })
})

describe('a load', () => {
  it('is shared by all who wait: 1,000 requests with one cold token are one query', async () => {
    const token = bearerOf('alice', clock.now())
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => getMe(token)))
    for (const { body } of answers) expect(body.version).toBe(1)
    expect(queries()).toBe(1)
  })

  it("is one for each token, also where they are one user's", async () => {
    const tokens = Array.from({ length: 20 }, () => bearerOf('alice', clock.now()))
    await Promise.all(tokens.flatMap(token => [getMe(token), getMe(token)]))
    expect(queries()).toBe(20)
  })
})

describe('a load that takes its time', () => {
  let proxy: TcpProxy
  let slow: TestDatabase
  let far: CustomUserData<Readonly<Record<string, unknown>>>
  let farServer: Server
  beforeEach(async () => {
    const { host, port } = await primaryAddress(database.client)
    proxy = await startTcpProxy(host, port)
    slow = await openDatabase({ proxyPort: proxy.port })
    await slow.db.collection('custom_user_data').insertOne({ userId: 'alice', version: 1 })
    far = createTestUserData(slow, { clock })
    farServer = await listen(createGuardedApp(far))
    await far.ready()
    await getMe(bearerOf('nobody', clock.now()), farServer)
    slow.commands.clear()
  })
  afterEach(async () => {
    far.close()
    farServer.close()
    await proxy.restore()
    await slow.close()
    await proxy.close()
  })
  const loads = () => slow.commands.named('aggregate')
  const update = (version: number) =>
    database.client
      .db(slow.db.databaseName)
      .collection('custom_user_data')
      .updateOne({ userId: 'alice' }, { $set: { version } })

  it('that began before an invalidation is repeated for those who wait, and its data is never kept', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.delay(300)
    const waiting = getMe(token, farServer).then(({ body }) => body.version as unknown)
    await vi.waitFor(() => expect(loads()).toHaveLength(1))
    // The first answer is on its way already, with what was true before.
    await new Promise(resolve => setTimeout(resolve, 100))
    await update(2)
    far.invalidate('alice')
    expect(await waiting).toBe(2)
    expect(loads()).toHaveLength(2)
    expect((await getMe(token, farServer)).body.version).toBe(2)
    expect(loads()).toHaveLength(2)
  })

  it('goes on for the others when one client goes away', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.delay(200)
    const { port } = farServer.address() as AddressInfo
    const leaving = connect(port, '127.0.0.1')
    leaving.write(`GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: ${token}\r\n\r\n`)
    await vi.waitFor(() => expect(loads()).toHaveLength(1))
    const staying = getMe(token, farServer).then(({ body }) => body.version as unknown)
    leaving.destroy()
    expect(await staying).toBe(1)
    expect(loads()).toHaveLength(1)
  })

  it('is not remembered when it failed: the next request tries again', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.cut()
    expect((await getMe(token, farServer)).status).toBe(503)
    await proxy.restore()
    await vi.waitFor(async () => expect((await getMe(token, farServer)).status).toBe(200), {
      timeout: 10_000,
    })
  })
})

describe('invalidate()', () => {
  it('has the next request with any token of the user read anew, and of no other user', async () => {
    const tokens = [bearerOf('alice', clock.now()), bearerOf('alice', clock.now())]
    const other = bearerOf('bob', clock.now())
    for (const token of [...tokens, other]) await getMe(token)
    await setVersion(2)
    userData.invalidate('alice')
    database.commands.clear()
    for (const token of tokens) expect(await versionFor(token)).toBe(2)
    await getMe(other)
    expect(queries()).toBe(2)
  })

  it('makes a document that was made after the token visible at once', async () => {
    const token = bearerOf('carol', clock.now())
    expect((await getMe(token)).body).toEqual({})
    await profiles().insertOne({ userId: 'carol', version: 3 })
    expect((await getMe(token)).body).toEqual({})
    userData.invalidate('carol')
    expect(await versionFor(token)).toBe(3)
  })
})

describe('close()', () => {
  it('empties the cache and refuses new loads with 503', async () => {
    const token = bearerOf('alice', clock.now())
    await getMe(token)
    userData.close()
    const { status, body } = await getMe(token)
    expect([status, body.code]).toEqual([503, 'closed'])
  })
})
