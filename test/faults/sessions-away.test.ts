import type { Collection } from 'mongodb'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { createEvents } from '../../lib/events.js'
import { createSid, createRefreshToken, deriveSuccessor } from '../../lib/sessions/refresh-token.js'
import type { RefreshToken } from '../../lib/sessions/refresh-token.js'
import type { SessionDocument } from '../../lib/sessions/session-document.js'
import { prepareSessionSecrets } from '../../lib/sessions/session-secrets.js'
import { SessionStore } from '../../lib/sessions/session-store.js'
import { createManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import type { ProxiedDatabase } from '../support/database.js'
import { SECRET } from '../support/user-data.js'

const [secret] = prepareSessionSecrets([SECRET]) as [ReturnType<typeof prepareSessionSecrets>[0]]
const { name: secretName } = secret

const deadlines = holdDeadlines()
const database = useDatabase()

describe('sessions while MongoDB is away', () => {
  let proxied: ProxiedDatabase
  let sessions: Collection<SessionDocument>
  /** Goes through the proxy, with a short time limit. */
  let away: SessionStore
  /** Goes to MongoDB directly, for operations that must not fail. */
  let there: SessionStore
  beforeEach(async () => {
    proxied = await openProxiedDatabase(database, { heartbeatFrequencyMS: 500 })
    sessions = database.db.collection('custom_user_data_sessions')
    await sessions.deleteMany()
    away = openStore(proxied.db.collection<SessionDocument>('custom_user_data_sessions'), 300)
    there = openStore(sessions, 20_000)
    // Connect now, so that the tests lose an open connection.
    await proxied.db.command({ ping: 1 })
  })
  function openStore(collection: Collection<SessionDocument>, sessionTimeoutMs: number): SessionStore {
    const scope = { issuer: 'https://issuer.example.com', clientId: 'our app' }
    const config = {
      ...scope,
      refreshTokenTtlSeconds: 3_600,
      refreshTokenIdleSeconds: 3_600,
      sessionTimeoutMs,
    }
    return new SessionStore(config, () => Promise.resolve(collection), createEvents(), createManualClock())
  }

  async function insert(store: SessionStore, userId = 'alice'): Promise<RefreshToken> {
    const token = createRefreshToken(createSid(), secret)
    const details = {
      persistent: true,
      rotates: null,
      ttlSeconds: null,
      idleSeconds: null,
      claims: {},
      device: null,
      address: null,
    }
    await store.insert({ token, userId, secretName, ...details })
    return token
  }

  const exchange = (store: SessionStore, token: RefreshToken) =>
    store.exchange({ token, successor: deriveSuccessor(token, secret), secretName, rotates: true })

  /** Waits until MongoDB answers, and until the driver has sent the commands that it may have queued. */
  async function backAgain(): Promise<void> {
    await proxied.proxy.restore()
    await expect.poll(() => proxied.db.command({ ping: 1 })).toMatchObject({ ok: 1 })
    await wait(300)
  }

  it.each(['cut', 'pause'] as const)('are unavailable in time, after a %s', async fault => {
    const token = await insert(there)
    proxied.proxy[fault]()
    const attempts = [
      insert(away, 'bob'),
      away.find(token.sid),
      exchange(away, token),
      away.findWithTime(token.sid),
      away.list('alice'),
      away.revoke(token.sid),
      away.endBatch('alice', new Date()),
      away.deleteBatch('alice', new Date()),
      away.leastRecentlyUsed({ sid: token.sid, userId: 'alice', storedAt: 0 }, { kept: 1, most: 1 }),
    ]
    const { answer: outcomes, passedMs } = await deadlines.passUntil(Promise.allSettled(attempts))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'sessions_unavailable', status: 503 } })
    }
    expect(passedMs).toBeLessThan(3_000)
  })

  it('are not changed later by an operation that was answered as unavailable', async () => {
    const token = await insert(there)
    const before = await sessions.find().toArray()
    proxied.proxy.cut()
    const attempts = [
      insert(away, 'bob'),
      exchange(away, token),
      away.revoke(token.sid),
      away.deleteBatch('alice', new Date()),
    ]
    const { answer: outcomes } = await deadlines.passUntil(Promise.allSettled(attempts))
    for (const outcome of outcomes) expect(outcome.status).toBe('rejected')
    await backAgain()
    expect(await sessions.find().toArray()).toEqual(before)
    expect(await exchange(there, token)).toBeDefined()
  })
})
