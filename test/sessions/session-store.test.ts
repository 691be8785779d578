import type { Document, Filter } from 'mongodb'
import request from 'supertest'
import type { Express } from 'express'
import type { WarningEvent } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  logOut,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { AUDIENCE, createTestUserData, ISSUER } from '../support/user-data.js'

const database = useDatabase()
let app: Express
beforeEach(() => {
  app = createSessionApp(createTestUserData(database))
})

type StoredSession = Document & { _id: string }
const sessions = () => database.db.collection<StoredSession>('custom_user_data_sessions')
const ofToken = (token: string): Filter<StoredSession> => ({ _id: sidOf(token) })

/** Every text in a document, however deep. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

describe('the stored session', () => {
  it('is one document, even after many exchanges of its token', async () => {
    let { refresh_token: token } = await logIn(app, 'one')
    for (let i = 0; i < 5; i++) token = await exchange(app, token)
    const stored = await sessions().find({ userId: 'one' }).toArray()
    expect(stored).toEqual([
      {
        _id: sidOf(token),
        expressCustomUserData: 'session',
        issuer: ISSUER,
        clientId: AUDIENCE,
        userId: 'one',
        current: expect.stringMatching(/^[\w-]{43}$/),
        previous: expect.stringMatching(/^[\w-]{43}$/),
        // The first is the issue of the current token. The tokens before it are kept for two minutes.
        issues: Array.from({ length: 6 }, () => ({
          issuedAt: expect.any(Date),
          secretName: expect.stringMatching(/^[\w-]{16}$/),
        })),
        generation: 5,
        createdAt: expect.any(Date),
        storedAt: expect.any(Date),
        lastUsedAt: expect.any(Date),
        idleExpiresAt: expect.any(Date),
        expiresAt: expect.any(Date),
        revokedAt: null,
        persistent: true,
        rotates: null,
        idleSeconds: null,
        claims: {},
        device: null,
        address: '127.0.0.1',
      },
    ])
  })

  it('contains no part of a token, and nothing that a refresh or the guard accepts', async () => {
    const login = await logIn(app, 'dumped')
    const second = await exchange(app, login.refresh_token)
    const stored = await sessions().findOne(ofToken(second))
    const texts = textsOf(stored)
    for (const token of [login.refresh_token, second]) {
      for (const part of token.split('.').slice(2)) expect(texts.join(' ')).not.toContain(part)
    }
    const { _id, current, previous, generation } = stored!
    const composed = [current, previous].flatMap((hash: unknown) => [
      `${_id}.${String(generation)}.${String(hash)}.${'A'.repeat(22)}`,
      `${_id}.0.${String(hash)}.${String(hash).slice(0, 22)}`,
    ])
    for (const text of [...texts, ...composed]) {
      expectInvalidGrant(await refresh(app, text))
      expect((await getMe(app, text)).status).not.toBe(200)
    }
    await exchange(app, second)
  })

  it('names the device of the login, so that the user recognises it', async () => {
    const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    await request(app).post('/login').set('User-Agent', userAgent).send({ user: 'told' })
    expect(await sessions().findOne({ userId: 'told' })).toMatchObject({
      device: 'Firefox on Linux',
      address: '127.0.0.1',
    })
  })

  it('is in the collection that the option names', async () => {
    const sessionCollection = database.db.collection('elsewhere')
    const { refresh_token: token } = await logIn(
      createSessionApp(createTestUserData(database, { sessionCollection })),
    )
    expect(await sessionCollection.countDocuments({ userId: 'alice' })).toBe(1)
    expect(await sessions().countDocuments(ofToken(token))).toBe(0)
  })
})

describe('a stored session', () => {
  const NO_DATES = [null, '', 0, '9999-01-01', true, [], {}, { $gt: 0 }, Infinity]

  it.each(['expiresAt', 'idleExpiresAt'])('without a date in %s does not count as a session', async field => {
    const { refresh_token: token } = await logIn(app)
    for (const value of NO_DATES) {
      await sessions().updateOne(ofToken(token), { $set: { [field]: value } })
      expectInvalidGrant(await refresh(app, token))
    }
    await sessions().updateOne(ofToken(token), { $unset: { [field]: 1 } })
    expectInvalidGrant(await refresh(app, token))
  })

  it('with any value in revokedAt has ended', async () => {
    const { refresh_token: token } = await logIn(app)
    for (const value of [new Date(), false, 0, '']) {
      await sessions().updateOne(ofToken(token), { $set: { revokedAt: value } })
      expectInvalidGrant(await refresh(app, token))
    }
  })

  it('without dates is not listed, and its previous token gets no successor', async () => {
    const userData = createTestUserData(database)
    const { refresh_token: token } = await logIn(app, 'dateless')
    await exchange(app, token)
    await sessions().updateOne(ofToken(token), { $unset: { expiresAt: 1 } })
    expect(await userData.sessions('dateless')).toEqual([])
    expectInvalidGrant(await refresh(app, token))
  })
})

describe('the commands for sessions', () => {
  /** As teams open their databases: for speed. */
  function createHastyApp() {
    const db = database.client.db(database.db.databaseName, {
      readPreference: 'secondaryPreferred',
      writeConcern: { w: 1 },
    })
    return createSessionApp(createTestUserData({ db }, { sessionTimeoutMs: 12_345 }))
  }

  const isOfSessions = ({ command }: { command: Document }) =>
    Object.values(command).includes('custom_user_data_sessions')
  const sent = (...names: string[]) => database.commands.named(...names).filter(isOfSessions)

  async function useAllRoutes(hasty: Express): Promise<void> {
    const { refresh_token: token } = await logIn(hasty)
    await exchange(hasty, token)
    await exchange(hasty, token)
    await logOut(hasty, token)
    const { access_token: access } = await logIn(hasty)
    await request(hasty).get('/sessions').auth(access, { type: 'bearer' }).expect(200)
    await request(hasty).post('/logout-all').auth(access, { type: 'bearer' }).expect(204)
  }

  it('write with majority, so that no failover can undo an answered request', async () => {
    const hasty = createHastyApp()
    database.commands.clear()
    await useAllRoutes(hasty)
    // The documents of a user's sessions are ended after the answer.
    await expect.poll(() => sent('update')).toHaveLength(1)
    const writes = sent('insert', 'update', 'findAndModify', 'delete')
    expect(new Set(writes.map(({ name }) => name))).toEqual(new Set(['update', 'findAndModify']))
    for (const { command } of writes) {
      expect(command['writeConcern']).toEqual({ w: 'majority', wtimeout: 12_345 })
    }
  })

  it('read from the primary, within their time', async () => {
    const hasty = createHastyApp()
    database.commands.clear()
    await useAllRoutes(hasty)
    const reads = sent('find', 'aggregate')
    expect(reads.length).toBeGreaterThan(3)
    for (const { command } of reads) {
      expect(command['$readPreference'] ?? { mode: 'primary' }).toEqual({ mode: 'primary' })
      expect(command['maxTimeMS']).toBe(12_345)
    }
  })

  it('hold nothing from the client except texts: the id and the hash of a token', async () => {
    database.commands.clear()
    const { refresh_token: token } = await logIn(app)
    await exchange(app, token)
    const [stored, exchanged] = sent('findAndModify')
    const ours = { _id: { $eq: sidOf(token) }, expressCustomUserData: 'session', issuer: { $eq: ISSUER } }
    expect(stored!.command['query']).toEqual(ours)
    expect(exchanged!.command['query']).toEqual({
      _id: sidOf(token),
      expressCustomUserData: 'session',
      issuer: { $eq: ISSUER },
      clientId: AUDIENCE,
      current: expect.stringMatching(/^[\w-]{43}$/),
      revokedAt: null,
      expiresAt: { $gt: expect.any(Date) },
      idleExpiresAt: { $gt: expect.any(Date) },
    })
    expect(JSON.stringify([...database.commands])).not.toContain(token.split('.')[2])
    expect(JSON.stringify([...database.commands])).not.toContain('$where')
  })

  it('are one write and one read of the record for an exchange, and one more read if the token was exchanged before', async () => {
    const { refresh_token: token } = await logIn(app)
    database.commands.clear()
    await exchange(app, token)
    expect(sent('find', 'findAndModify', 'update').map(({ name }) => name)).toEqual(['findAndModify', 'find'])
    database.commands.clear()
    await exchange(app, token)
    const names = sent('find', 'findAndModify', 'update', 'aggregate').map(({ name }) => name)
    expect(names).toEqual(['findAndModify', 'aggregate', 'find'])
  })
})

describe('a session that has ended', () => {
  it.each(['revoke({ sid })', 'revoke(userId)'])(
    'after %s stays stored for 25 hours, longer than any access token lives, or until it would have expired',
    async way => {
      const user = `ended by ${way}`
      const [long, short] = [6_000_000, 3_600].map(refreshTokenTtlSeconds =>
        createTestUserData(database, { refreshTokenTtlSeconds }),
      )
      const before = Date.now()
      for (const at of [long!, short!]) {
        const sid = sidOf((await at.issueTokens(user)).refresh_token)
        await at.revoke(way === 'revoke(userId)' ? user : { sid })
        await at.close()
      }
      const stored = await sessions().find({ userId: user }).sort({ expiresAt: -1 }).toArray()
      const [kept, expiring] = stored.map(
        ({ expiresAt }) => ((expiresAt as Date).getTime() - before) / 3_600_000,
      )
      expect(kept).toBeGreaterThanOrEqual(25)
      expect(kept).toBeLessThan(26)
      expect(expiring).toBeLessThan(2)
    },
  )
})

describe('deleteSessions()', () => {
  it('deletes all documents of the user and none of other users', async () => {
    const userData = createTestUserData(database)
    await logIn(app, 'leaver')
    await logOut(app, (await logIn(app, 'leaver')).refresh_token)
    await logIn(app, 'stayer')
    await userData.deleteSessions('leaver')
    await expect.poll(() => sessions().countDocuments({ userId: 'leaver' })).toBe(0)
    expect(await sessions().countDocuments({ userId: 'stayer' })).toBe(1)
  })
})

describe('the indexes of the sessions', () => {
  it('are made by ready(): one for the sessions of a user, one for revoked sessions, and two that remove ended sessions', async () => {
    const fresh = await openDatabase()
    await createTestUserData(fresh).ready()
    const indexes = await fresh.db.collection('custom_user_data_sessions').indexes()
    expect(indexes).toMatchObject([
      { name: '_id_' },
      {
        name: 'session_expiry',
        key: { expiresAt: 1 },
        expireAfterSeconds: 0,
        partialFilterExpression: { expressCustomUserData: { $exists: true } },
      },
      {
        name: 'session_idle_expiry',
        key: { idleExpiresAt: 1 },
        expireAfterSeconds: 90_000,
        partialFilterExpression: { expressCustomUserData: { $exists: true } },
      },
      {
        name: 'session_user',
        key: { userId: 1, revokedAt: 1 },
        partialFilterExpression: { expressCustomUserData: { $exists: true } },
      },
      {
        name: 'session_revoked',
        key: { revokedAt: 1 },
        partialFilterExpression: { expressCustomUserData: { $exists: true }, revokedAt: { $type: 'date' } },
      },
    ])
    await fresh.close()
  })

  it('cause a warning with the command to run if other indexes have their names', async () => {
    const fresh = await openDatabase()
    const own = fresh.db.collection('custom_user_data_sessions')
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await own.createIndex({ other: 1 }, { name: 'session_expiry' })
    const userData = createTestUserData(fresh)
    const warnings: WarningEvent[] = []
    userData.events.on('warning', warning => warnings.push(warning))
    await userData.ready()
    expect(warnings.filter(({ code }) => code === 'session_index_missing')).toEqual([
      {
        code: 'session_index_missing',
        message: expect.stringMatching(
          /"expiresAt".*db\.getCollection\("custom_user_data_sessions"\)\.createIndex\(/,
        ),
      },
    ])
    await fresh.close()
  })

  it('only clean up: an expired session that is still stored has ended', async () => {
    const clock = createManualClock()
    const there = createSessionApp(createTestUserData(database, { clock, refreshTokenTtlSeconds: 1_800 }))
    const { refresh_token: token } = await logIn(there)
    clock.advance(1_800_000)
    expect(await sessions().countDocuments(ofToken(token))).toBe(1)
    expectInvalidGrant(await refresh(there, token))
  })
})
