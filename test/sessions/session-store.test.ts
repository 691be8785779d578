import type { Collection, CollectionOptions } from 'mongodb'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEvents } from '../../lib/events.js'
import { createRefreshToken, createSid } from '../../lib/sessions/refresh-token.js'
import { createSessionStore } from '../../lib/sessions/session-store.js'
import type { SessionDocument, SessionStore } from '../../lib/sessions/session-store.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'

const TTL_SECONDS = 3_600

let database: TestDatabase
let clock: ManualClock
let sessions: Collection<SessionDocument>
let store: SessionStore
let collections = 0
beforeAll(async () => {
  database = await openDatabase()
})
beforeEach(() => {
  clock = createManualClock()
  sessions = database.db.collection(`sessions_${++collections}`)
  store = storeOver(sessions)
})
afterAll(() => database.close())

function storeOver(collection: Collection<SessionDocument>, sessionTimeoutMs = 3_000): SessionStore {
  const config = { refreshTokenTtlSeconds: TTL_SECONDS, sessionTimeoutMs }
  return createSessionStore(config, () => Promise.resolve(collection), createEvents(), clock)
}

async function onlySession(): Promise<SessionDocument> {
  const all = await sessions.find().toArray()
  expect(all).toHaveLength(1)
  return all[0]!
}

describe('a session', () => {
  it('is found by its token, with its user', async () => {
    const token = await store.create(createSid(), 'alice')
    expect(await store.find(token)).toEqual({ userId: 'alice' })
  })

  it('is never found by a token of another session, nor by one that was made up', async () => {
    const token = await store.create(createSid(), 'alice')
    const other = await store.create(createSid(), 'bob')
    const mixed = { ...other, sid: token.sid }
    for (const wrong of [mixed, createRefreshToken(token.sid, 0), createRefreshToken(createSid(), 0)]) {
      expect(await store.find(wrong)).toBeUndefined()
      expect(await store.rotate(wrong)).toBeUndefined()
    }
    expect(await store.find(token)).toEqual({ userId: 'alice' })
  })

  it('goes on under the successor alone once its token is exchanged', async () => {
    const first = await store.create(createSid(), 'alice')
    const second = (await store.rotate(first))!
    expect(second).toMatchObject({ sid: first.sid, generation: 1 })
    expect(await store.find(first)).toBeUndefined()
    expect(await store.rotate(first)).toBeUndefined()
    expect(await store.find(second)).toEqual({ userId: 'alice' })
  })

  it('gives one successor, however many ask for it at once', async () => {
    const token = await store.create(createSid(), 'alice')
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => store.rotate(token)))
    const successors = outcomes.filter(outcome => outcome !== undefined)
    expect(successors).toHaveLength(1)
    expect(await store.find(successors[0]!)).toEqual({ userId: 'alice' })
    expect(await onlySession()).toMatchObject({ generation: 1 })
  })

  it('ends by the injected clock, to the millisecond', async () => {
    const token = await store.create(createSid(), 'alice')
    clock.advance(TTL_SECONDS * 1_000 - 1)
    expect(await store.find(token)).toEqual({ userId: 'alice' })
    clock.advance(1)
    expect(await store.find(token)).toBeUndefined()
    expect(await store.rotate(token)).toBeUndefined()
    // The server has not removed it: the query decides.
    await onlySession()
  })

  it('ends when it was said at login, however often its token is exchanged', async () => {
    let token = await store.create(createSid(), 'alice')
    const { expiresAt } = await onlySession()
    expect(expiresAt.getTime()).toBe(clock.now() + TTL_SECONDS * 1_000)
    for (let n = 0; n < 60; n++) {
      clock.advance(TTL_SECONDS * 10)
      token = (await store.rotate(token))!
    }
    expect(await onlySession()).toMatchObject({ expiresAt, generation: 60 })
    clock.advance(TTL_SECONDS * 400)
    expect(await store.rotate(token)).toBeUndefined()
  })

  it.each(['expiresAt', 'current'])('is refused where its %s is null or gone', async field => {
    const token = await store.create(createSid(), 'alice')
    for (const update of [{ $set: { [field]: null } }, { $unset: { [field]: 1 } }]) {
      await sessions.updateOne({}, update as never)
      expect(await store.find(token)).toBeUndefined()
      expect(await store.rotate(token)).toBeUndefined()
    }
  })

  it('is over once it is revoked', async () => {
    const token = await store.create(createSid(), 'alice')
    await store.revoke(token)
    expect(await store.find(token)).toBeUndefined()
    expect(await store.rotate(token)).toBeUndefined()
    expect(await onlySession()).toMatchObject({ revokedAt: new Date(clock.now()) })
  })

  it('is revoked by the token that is good now, not by one that was exchanged', async () => {
    const first = await store.create(createSid(), 'alice')
    const second = (await store.rotate(first))!
    await store.revoke(first)
    expect(await store.find(second)).toEqual({ userId: 'alice' })
  })

  it('never becomes good again by revoking at the same time as exchanging', async () => {
    const token = await store.create(createSid(), 'alice')
    const [successor] = await Promise.all([store.rotate(token), store.revoke(token)])
    const { revokedAt, generation } = await onlySession()
    // Whichever came first, the other had no effect.
    expect({ revoked: revokedAt !== null, rotated: generation === 1 }).toEqual({
      revoked: successor === undefined,
      rotated: successor !== undefined,
    })
  })
})

describe('the collection of sessions', () => {
  it('holds nothing that a token could be made of', async () => {
    const first = await store.create(createSid(), 'alice')
    const second = (await store.rotate(first))!
    const dump = JSON.stringify(await sessions.find().toArray())
    for (const { text } of [first, second]) {
      expect(dump).not.toContain(text)
      expect(dump).not.toContain(text.split('.')[2])
    }
    const { _id, current, generation } = await onlySession()
    const guess = { sid: _id, generation, text: `${_id}.${generation}.${current}` }
    expect(await store.find(guess)).toBeUndefined()
  })

  it('gets an index that removes what is over, and one to find a user’s sessions', async () => {
    await store.ensureIndexes()
    await store.ensureIndexes()
    const indexes = await sessions.indexes()
    expect(indexes).toHaveLength(3)
    expect(indexes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ key: { expiresAt: 1 }, expireAfterSeconds: 0 }),
        expect.objectContaining({ key: { userId: 1 } }),
      ]),
    )
  })

  it.each<CollectionOptions>([{}, { readPreference: 'secondary', writeConcern: { w: 1 } }])(
    'is written with majority and read from the primary, opened with %j',
    async options => {
      const opened = storeOver(database.db.collection<SessionDocument>(sessions.collectionName, options))
      database.commands.clear()
      const token = await opened.create(createSid(), 'alice')
      await opened.find(token)
      const successor = (await opened.rotate(token))!
      await opened.revoke(successor)
      const writes = database.commands.named('insert', 'update')
      expect(writes.map(({ name }) => name)).toEqual(['insert', 'update', 'update'])
      for (const { command } of writes) {
        expect(command).toMatchObject({ writeConcern: { w: 'majority', wtimeout: 3_000 } })
        // Retryable: a failover between sending and answering does not write twice.
        expect(command).toHaveProperty('txnNumber')
      }
      const [{ command }] = database.commands.named('find') as [{ command: object }, ...unknown[]]
      expect(command).not.toMatchObject({ $readPreference: { mode: 'secondary' } })
    },
  )

  it.each<CollectionOptions>([
    { useBigInt64: true },
    { promoteValues: false },
    { raw: true },
    { ignoreUndefined: true },
  ])('may be opened with %j', async options => {
    const opened = storeOver(database.db.collection<SessionDocument>(sessions.collectionName, options))
    const token = await opened.create(createSid(), 'alice')
    const successor = (await opened.rotate(token))!
    expect(await opened.find(successor)).toEqual({ userId: 'alice' })
  })
})

describe('sessions while MongoDB is away', () => {
  let proxy: TcpProxy
  let proxied: TestDatabase
  let away: SessionStore
  beforeEach(async () => {
    const { host, port } = await primaryAddress(database.client)
    proxy = await startTcpProxy(host, port)
    proxied = await openDatabase({ proxyPort: proxy.port, heartbeatFrequencyMS: 500 })
    sessions = database.client.db(proxied.db.databaseName).collection('sessions')
    away = storeOver(proxied.db.collection('sessions'), 300)
  })
  afterEach(async () => {
    await proxy.restore()
    // Directly: the proxied client may still be recovering.
    await database.client.db(proxied.db.databaseName).dropDatabase()
    await proxied.client.close()
    await proxy.close()
  })

  /** Until whatever the driver had kept to do is done. */
  async function backAgain(): Promise<void> {
    await proxy.restore()
    await vi.waitFor(() => proxied.db.command({ ping: 1 }), { timeout: 10_000 })
    await wait(300)
  }

  it.each(['cut', 'pause'] as const)('are unavailable in time, after a %s', async fault => {
    const token = await away.create(createSid(), 'alice')
    proxy[fault]()
    const began = performance.now()
    const attempts = [
      away.create(createSid(), 'bob'),
      away.find(token),
      away.rotate(token),
      away.revoke(token),
    ]
    for (const outcome of await Promise.allSettled(attempts)) {
      expect(outcome).toMatchObject({ reason: { code: 'sessions_unavailable', status: 503 } })
    }
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  it('have nothing done to them later by what was answered as unavailable', async () => {
    const token = await away.create(createSid(), 'alice')
    const before = await onlySession()
    proxy.cut()
    const attempts = [away.create(createSid(), 'bob'), away.rotate(token), away.revoke(token)]
    for (const outcome of await Promise.allSettled(attempts)) expect(outcome.status).toBe('rejected')
    await backAgain()
    expect(await onlySession()).toEqual(before)
    expect(await away.rotate(token)).toBeDefined()
  })
})
