import { once } from 'node:events'
import { get } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Request, Response } from 'express'
import type { Collection } from 'mongodb'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserData } from 'express-custom-user-data'
import { createSnapshots } from '../../lib/snapshots/snapshots.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { bearerOf, createGuardedApp, listen } from '../support/guarded-app.js'
import { heapGrowth } from '../support/heap.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData, forgeToken, KID, SECRET, validClaims } from '../support/user-data.js'

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response
const MINUTE = 60_000
const HOUR = 60 * MINUTE

const deadlines = holdDeadlines()
const direct = useDatabase()
let proxy: TcpProxy
/** The database connection of the instance, through a proxy. */
let database: TestDatabase
let documents: Collection
let clock: ManualClock
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let server: Server
/** The requests that have reached the server. */
let arrivals: number

beforeAll(async () => {
  const { host, port } = await primaryAddress(direct.client)
  proxy = await startTcpProxy(host, port)
  database = await openDatabase({ proxyPort: proxy.port })
  documents = direct.client.db(database.db.databaseName).collection('custom_user_data')
})
beforeEach(async () => {
  await documents.deleteMany()
  await documents.insertOne({ userId: 'alice', n: 1 })
  clock = createManualClock()
  await start({})
})
afterEach(async () => {
  await proxy.restore()
  await stop()
})
afterAll(async () => {
  await database.close()
  await proxy.close()
})

async function start(options: Parameters<typeof createTestUserData>[1]): Promise<void> {
  userData = createTestUserData(database, { clock, loadTimeoutMs: 5_000, ...options })
  userData.events.on('warning', () => undefined)
  await userData.ready()
  // The first load looks up the index and the server version.
  await userData.verifyToken(bearerOf('warm-up', clock.now()).slice('Bearer '.length))
  server = await listen(createGuardedApp(userData))
  arrivals = 0
  server.on('request', () => arrivals++)
  database.commands.clear()
}

async function stop(): Promise<void> {
  await new Promise(resolve => server.close(resolve))
  await userData.close()
}

async function restart(options: Parameters<typeof createTestUserData>[1]): Promise<void> {
  await stop()
  await start(options)
}

function me(authorization: string): request.Test {
  return request(server).get('/me').set('Authorization', authorization)
}

/** Runs a guard on a request and returns its user. */
function guard(options: { maxAgeMs?: number }, token: string): Promise<Express.User | undefined> {
  const req = { headers: { authorization: `Bearer ${token}` } } as unknown as Request
  return new Promise((resolve, reject) => {
    const next = (error?: unknown) => (error instanceof Error ? reject(error) : resolve(req.user))
    void userData.authenticate(options)(req, NO_RESPONSE, next)
  })
}

async function dataOf(authorization: string): Promise<{ n?: number }> {
  const { body } = await me(authorization).expect(200)
  return body as { n?: number }
}

async function login(user: string): Promise<{ access: string; refresh: string; customData: { n?: number } }> {
  const { body } = await request(server).post('/login').send({ user }).expect(200)
  return {
    access: `Bearer ${String(body.access_token)}`,
    refresh: String(body.refresh_token),
    customData: body.user.customData,
  }
}

function change(n: number): Promise<unknown> {
  return documents.updateOne({ userId: 'alice' }, { $set: { n } })
}

function queries(): number {
  return database.commands.loads().length
}

/** Waits until a load has read, while the proxy holds its answer. */
async function untilRead(): Promise<void> {
  await expect.poll(() => proxy.holdsAnswer('firstBatch')).toBe(true)
}

/** A token that lives longer than several snapshots. */
function longBearer(userId = 'alice'): string {
  const claims = validClaims(userId, clock.now())
  return `Bearer ${forgeToken({ claims: { ...claims, exp: clock.now() / 1_000 + 10 * 3_600 } })}`
}

describe('a snapshot', () => {
  it('serves its token for 30 minutes, and the next request after that loads a new one', async () => {
    const token = longBearer()
    expect(await dataOf(token)).toMatchObject({ n: 1 })
    await change(2)
    clock.advance(30 * MINUTE - 1)
    expect(await dataOf(token)).toMatchObject({ n: 1 })
    clock.advance(1)
    expect(await dataOf(token)).toMatchObject({ n: 2 })
    expect(queries()).toBe(2)
  })

  it('is stale after 30 minutes, even if it was read often', async () => {
    const token = longBearer()
    await dataOf(token)
    await change(2)
    for (let minute = 0; minute < 29; minute++) {
      clock.advance(MINUTE)
      expect(await dataOf(token)).toMatchObject({ n: 1 })
    }
    clock.advance(MINUTE)
    expect(await dataOf(token)).toMatchObject({ n: 2 })
  })

  it('causes no query while its token is idle', async () => {
    const token = longBearer()
    await dataOf(token)
    clock.advance(5 * HOUR)
    // A query that the request had begun would be sent before this ping is answered.
    await database.db.command({ ping: 1 })
    expect(queries()).toBe(1)
    await dataOf(token)
    expect(queries()).toBe(2)
  })

  it('never outlives its token and the clock tolerance', async () => {
    const { exp } = validClaims('alice', clock.now())
    const token = bearerOf('alice', clock.now())
    clock.setWall(Number(exp) * 1_000 - MINUTE)
    await dataOf(token)
    clock.advance(MINUTE + 5_000 - 1)
    await dataOf(token)
    clock.advance(1)
    await me(token).expect(401)
    expect(queries()).toBe(1)
  })

  it('is refused at once if the wall clock is set beyond the end of its token, and is kept if it is not', async () => {
    const token = bearerOf('alice', clock.now())
    await dataOf(token)
    clock.setWall(clock.now() + 10 * MINUTE)
    await dataOf(token)
    expect(queries()).toBe(1)
    clock.setWall(clock.now() + HOUR)
    await me(token).expect(401)
  })

  it('does not get younger if the wall clock is set back', async () => {
    const token = longBearer()
    await dataOf(token)
    await change(2)
    clock.setWall(clock.now() - HOUR)
    clock.advance(30 * MINUTE)
    expect(await dataOf(token)).toMatchObject({ n: 2 })
  })

  it('is not revived by a wall clock that is set back: its token is verified and its data is loaded again', async () => {
    const token = bearerOf('alice', clock.now())
    await dataOf(token)
    clock.advance(31 * MINUTE)
    await change(2)
    clock.setWall(clock.now() - 10 * MINUTE)
    expect(await dataOf(token)).toMatchObject({ n: 2 })
    clock.setWall(clock.now() + 10 * MINUTE)
    await me(token).expect(401)
  })

  it('belongs to one token: two tokens of a user can have two different snapshots', async () => {
    const older = await login('alice')
    await change(2)
    const newer = await login('alice')
    expect([older.customData.n, newer.customData.n]).toEqual([1, 2])
    expect(await dataOf(older.access)).toMatchObject({ n: 1 })
    expect(await dataOf(newer.access)).toMatchObject({ n: 2 })
    expect(queries()).toBe(2)
  })

  it('shares its data with the snapshots of the user’s other tokens while the document is unchanged', async () => {
    await documents.updateOne({ userId: 'alice' }, { $set: { since: new Date(0), list: [{ a: 1 }] } })
    const read = async () => (await userData.verifyToken(bearerOf('alice', clock.now()).slice(7))).customData
    const [first, second] = [await read(), await read()]
    expect(second).toBe(first)
    await change(2)
    const changed = await read()
    expect(changed).toEqual({ ...first, n: 2 })
    expect(await read()).toBe(changed)
    expect(first).toMatchObject({ n: 1, since: new Date(0) })
  })

  it('shares its data with snapshots that are loaded at the same time', async () => {
    proxy.delay(20)
    const tokens = [1, 2, 3].map(() => bearerOf('alice', clock.now()).slice(7))
    const users = await Promise.all(tokens.map(token => userData.verifyToken(token)))
    expect(queries()).toBe(3)
    expect(new Set(users.map(({ customData }) => customData)).size).toBe(1)
  })

  it('is loaded at each login and refresh, and serves the access token that was issued', async () => {
    const { access, refresh } = await login('alice')
    await change(2)
    const { body } = await request(server).post('/refresh').send({ refresh_token: refresh }).expect(200)
    expect(body.user).toEqual({ id: 'alice', customData: expect.objectContaining({ n: 2 }) })
    expect(queries()).toBe(2)
    expect(await dataOf(`Bearer ${String(body.access_token)}`)).toMatchObject({ n: 2 })
    expect(await dataOf(access)).toMatchObject({ n: 1 })
    expect(queries()).toBe(2)
  })

  it('is also kept for users without a document: many requests cause one query', async () => {
    const token = bearerOf('nobody', clock.now())
    for (let n = 0; n < 5; n++) expect(await dataOf(token)).toEqual({})
    expect(queries()).toBe(1)
    await documents.insertOne({ userId: 'nobody', n: 7 })
    userData.invalidate('nobody')
    expect(await dataOf(token)).toMatchObject({ n: 7 })
  })

  it('is never made from a failed load: the next request tries again', async () => {
    await restart({ maxDocumentBytes: 200 })
    await documents.updateOne({ userId: 'alice' }, { $set: { big: 'x'.repeat(500) } })
    const token = bearerOf('alice', clock.now())
    for (const count of [1, 2]) {
      await me(token).expect(500)
      expect(queries()).toBe(count)
    }
    await documents.updateOne({ userId: 'alice' }, { $unset: { big: 1 } })
    expect(await dataOf(token)).toMatchObject({ n: 1 })
  })

  it('is kept for maxSnapshots tokens, and is loaded again for other tokens', async () => {
    await restart({ maxSnapshots: 2 })
    const tokens = ['alice', 'bob', 'eve'].map(user => bearerOf(user, clock.now()))
    for (const token of tokens) await dataOf(token)
    await dataOf(tokens[2]!)
    expect(queries()).toBe(3)
    await dataOf(tokens[0]!)
    expect(queries()).toBe(4)
  })

  it('is served but not kept if it is larger than the cache', async () => {
    await restart({ maxSnapshotBytes: 100 })
    const token = bearerOf('alice', clock.now())
    for (const count of [1, 2]) {
      expect(await dataOf(token)).toMatchObject({ n: 1 })
      expect(queries()).toBe(count)
    }
  })
})

describe('a load', () => {
  it('is shared by a thousand requests with one new token', async () => {
    proxy.delay(20)
    const token = bearerOf('alice', clock.now())
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => me(token)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(queries()).toBe(1)
  })

  it('is not shared by two tokens of a user', async () => {
    await Promise.all(Array.from({ length: 20 }, () => dataOf(bearerOf('alice', clock.now()))))
    expect(queries()).toBe(20)
  })

  it('that fails is an error for all requests that share it, and for no later request', async () => {
    await restart({ loadTimeoutMs: 200 })
    const token = bearerOf('alice', clock.now())
    proxy.pause()
    const herd = Promise.all(Array.from({ length: 20 }, () => me(token)))
    await expect.poll(() => arrivals).toBe(20)
    const { answer: answers } = await deadlines.passUntil(herd)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
    expect(queries()).toBe(1)
    proxy.resume()
    expect(await dataOf(token)).toMatchObject({ n: 1 })
  })

  it('is not shared with a request that comes after the end of its token', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.pause()
    const first = me(token).then(({ status }) => status)
    await expect.poll(queries).toBe(1)
    clock.advance(HOUR)
    await me(token).expect(401)
    proxy.resume()
    await first
    expect(queries()).toBe(1)
  })

  it('is not shared after its key was replaced, even if the same key comes back', async () => {
    const token = forgeToken({ claims: validClaims('alice', clock.now()) })
    proxy.pause()
    const first = userData.verifyToken(token).catch((error: unknown) => error)
    await expect.poll(queries).toBe(1)
    userData.replaceKeys([{ kid: 'other', alg: 'HS256', key: 'another secret of the tests, 32 bytes' }])
    await expect(userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
    userData.replaceKeys([{ kid: KID, alg: 'HS256', key: SECRET }])
    const third = userData.verifyToken(token)
    proxy.resume()
    expect(await first).toMatchObject({ code: 'invalid_token' })
    expect(await third).toMatchObject({ id: 'alice', customData: { n: 1 } })
  })

  it('does not delay a request whose token contains its data', async () => {
    await documents.deleteMany()
    // Without an ObjectId, because a new instance would have to load a document to learn its class.
    await documents.insertOne({ _id: 'of alice' as never, userId: 'alice', n: 1 })
    await restart({ userDataInToken: 'relaxed' })
    const { access_token: token } = await userData.issueTokens('alice')
    await restart({ userDataInToken: 'relaxed' })
    proxy.pause()
    const young = guard({ maxAgeMs: 0 }, token)
    await expect.poll(queries).toBe(1)
    expect(await guard({}, token)).toMatchObject({ customData: { n: 1 } })
    proxy.resume()
    expect(await young).toMatchObject({ customData: { n: 1 } })
  })

  it('continues for the other requests if a client that shares it disconnects', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.pause()
    const { port } = server.address() as AddressInfo
    const options = { port, host: '127.0.0.1', path: '/me', headers: { authorization: token } }
    const arrived = once(server, 'request') as Promise<[Request, Response]>
    const leaving = get(options).on('error', () => undefined)
    await expect.poll(queries).toBe(1)
    const staying = Promise.all([dataOf(token), dataOf(token)])
    await expect.poll(() => arrivals).toBe(3)
    const [, answer] = await arrived
    leaving.destroy()
    await once(answer, 'close')
    proxy.resume()
    expect(await staying).toMatchObject([{ n: 1 }, { n: 1 }])
    expect(queries()).toBe(1)
  })

  it('is repeated if its user is invalidated meanwhile: waiting requests get the newer data, and the older data is not kept', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.holdAnswers()
    const waiting = Promise.all(Array.from({ length: 10 }, () => dataOf(token)))
    await expect.poll(() => arrivals).toBe(10)
    await untilRead()
    await change(2)
    userData.invalidate('alice')
    const late = dataOf(token)
    proxy.resume()
    expect(new Set((await waiting).map(({ n }) => n))).toEqual(new Set([2]))
    expect(await late).toMatchObject({ n: 2 })
    expect(queries()).toBe(2)
    expect(await dataOf(token)).toMatchObject({ n: 2 })
    expect(queries()).toBe(2)
  })

  it('of a login is also repeated', async () => {
    proxy.holdAnswers()
    const waiting = login('alice')
    await untilRead()
    await change(2)
    userData.invalidate('alice')
    proxy.resume()
    const { access, customData } = await waiting
    expect(customData).toMatchObject({ n: 2 })
    expect(await dataOf(access)).toMatchObject({ n: 2 })
    expect(
      await database.db.collection('custom_user_data_sessions').countDocuments({ userId: 'alice' }),
    ).toBeGreaterThan(0)
  })

  it('is not repeated if another user is invalidated', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.pause()
    const waiting = dataOf(token)
    await expect.poll(queries).toBe(1)
    userData.invalidate('bob')
    proxy.resume()
    await waiting
    expect(queries()).toBe(1)
  })

  it('that is overtaken by invalidations again and again ends as unavailable', async () => {
    const everChanging = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => {
          clock.advance(2_000)
          userData.invalidate('alice')
          return { value: value as Record<string, unknown> }
        },
      },
    } as const
    await restart({ schema: everChanging })
    const { body } = await me(bearerOf('alice', clock.now())).expect(503).expect('Retry-After', '1')
    expect(body.code).toBe('custom_data_unavailable')
    expect(queries()).toBe(3)
  })

  it('that is overtaken by an invalidation is repeated once, however long it took', async () => {
    let validations = 0
    const changedOnce = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => {
          if (validations++ === 0) {
            clock.advance(60_000)
            userData.invalidate('alice')
          }
          return { value: value as Record<string, unknown> }
        },
      },
    } as const
    await restart({ schema: changedOnce })
    validations = 0
    expect(await dataOf(longBearer())).toMatchObject({ n: 1 })
    expect(queries()).toBe(2)
  })
})

describe('an invalidation', () => {
  it('is seen by the next request with each token of the user, and by no other user', async () => {
    const tokens = [longBearer(), longBearer(), longBearer('bob')]
    for (const token of tokens) await dataOf(token)
    await change(2)
    userData.invalidate('alice')
    expect(await Promise.all(tokens.map(dataOf))).toMatchObject([{ n: 2 }, { n: 2 }, {}])
    expect(queries()).toBe(5)
  })

  it('causes no work for users without snapshots', async () => {
    const growth = await heapGrowth(() => {
      for (let n = 0; n < 100_000; n++) userData.invalidate(`user-${n}`)
    })
    expect(growth).toBeLessThan(1024 * 1024)
  })
})

const BINDING = { claims: {}, claimsLength: 0, signedBy: undefined, expiresAt: undefined }

describe('the memory for users', () => {
  it('is released after loads that fail, that succeed and that are overtaken', async () => {
    const found = { data: {}, exists: true, documentId: 1, heapBytes: 100, userIdValues: ['x'] }
    const bounds = { snapshotTtlMs: HOUR, maxSnapshots: 10, maxSnapshotBytes: 1_000_000, loadTimeoutMs: 1 }
    const load = (userId: string) =>
      userId.startsWith('failing') ? Promise.reject(new Error('no')) : Promise.resolve(found)
    const snapshots = createSnapshots({ ...bounds, followsChanges: true }, { load }, clock)
    const bind = (userId: string) => {
      return snapshots.loadFor({ ...BINDING, cacheKey: userId, userId }).catch(() => undefined)
    }
    const growth = await heapGrowth(async () => {
      for (let n = 0; n < 20_000; n++) {
        await bind(`failing-${n}`)
        await bind(`evicted-${n}`)
        const overtaken = bind(`overtaken-${n}`)
        snapshots.invalidate(`overtaken-${n}`)
        await overtaken
      }
    })
    expect(growth).toBeLessThan(1024 * 1024)
    expect(snapshots.find('evicted-19999')).toBeDefined()
  })
})

it('a document that was encoded for a token is not also kept in memory', async () => {
  const document = {
    data: {},
    exists: true,
    documentId: 1,
    heapBytes: 5,
    encoded: { json: {} },
    userIdValues: [],
  }
  const limits = { snapshotTtlMs: HOUR, maxSnapshots: 10, maxSnapshotBytes: 100_000, loadTimeoutMs: 1_000 }
  const snapshots = createSnapshots(
    { ...limits, followsChanges: true },
    { load: () => Promise.resolve(document) },
    clock,
  )
  await snapshots.loadForNewToken('alice', async snapshot => {
    expect(snapshot.encoded).toEqual({ json: {} })
    snapshots.keep({ ...BINDING, cacheKey: 'a', userId: 'alice' }, snapshot)
  })
  expect(snapshots.find('a')).not.toHaveProperty('encoded')
  expect(snapshots.find('a')).toMatchObject({ data: {}, exists: true })
})

describe('close()', () => {
  it('ASVS 14.2.2: empties the cache, and later requests are refused as unavailable', async () => {
    const token = bearerOf('alice', clock.now())
    const { refresh } = await login('alice')
    await dataOf(token)
    await userData.close()
    const { body } = await me(token).expect(503).expect('Retry-After', '1')
    expect(body.code).toBe('closed')
    const answers = await Promise.all([
      request(server).post('/login').send({ user: 'alice' }).expect(503),
      request(server).post('/refresh').send({ refresh_token: refresh }).expect(503),
    ])
    expect(answers.map(({ body: { error } }): unknown => error)).toEqual([
      'temporarily_unavailable',
      'temporarily_unavailable',
    ])
  })

  it('lets running loads end, and does not keep their snapshots', async () => {
    const token = bearerOf('alice', clock.now())
    proxy.pause()
    const waiting = dataOf(token)
    await expect.poll(queries).toBe(1)
    await userData.close()
    proxy.resume()
    expect(await waiting).toMatchObject({ n: 1 })
    await me(token).expect(503)
  })

  it('may be called twice', async () => {
    await userData.close()
    await userData.close()
  })
})
