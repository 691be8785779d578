import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserData, SessionInfo } from 'express-custom-user-data'
import { toIssuerKey } from '../../lib/sessions/session-scope.js'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  refresh,
} from '../support/session-app.js'
import { createTestUserData, AUDIENCE, ISSUER } from '../support/user-data.js'

type UserData = CustomUserData<Readonly<Record<string, unknown>>>

const database = useDatabase()
let users = 0
let user: string
beforeEach(() => {
  user = `user-${users++}`
})

const start = (options: object = {}) =>
  createTestUserData(database, { maxSessionsPerUser: false, ...options })
const sessions = () => database.db.collection<{ _id: string }>('custom_user_data_sessions')
const alive = () => sessions().countDocuments({ userId: user, revokedAt: null })

/** Stores sessions of the user as logins would have. */
async function storeSessions(count: number): Promise<void> {
  const now = Date.now()
  const session = {
    expressCustomUserData: 'session',
    issuer: ISSUER,
    clientId: AUDIENCE,
    userId: user,
    createdAt: new Date(now - 60_000),
    storedAt: new Date(now - 60_000),
    lastUsedAt: new Date(now - 60_000),
    idleExpiresAt: new Date(now + 3_600_000),
    expiresAt: new Date(now + 3_600_000),
    revokedAt: null,
    device: 'Firefox on Linux',
    address: '127.0.0.1',
  }
  const documents = Array.from({ length: count }, (_, n) => ({ ...session, _id: `${user}-${n}` }))
  await sessions().insertMany(documents)
}

const WAYS: [string, (at: UserData, accessToken: string) => Promise<unknown>][] = [
  ['revoke(userId)', at => at.revoke(user)],
  ['deleteSessions(userId)', at => at.deleteSessions(user)],
  ['disable(userId)', at => at.disable(user)],
  [
    'logoutAll()',
    (at, token) =>
      request(createSessionApp(at)).post('/logout-all').auth(token, { type: 'bearer' }).expect(204),
  ],
]

describe.each(WAYS)('%s of a user with thousands of sessions', (name, end) => {
  it('ends all of them by one write before the answer, and the documents afterwards, 1,000 at a time', async () => {
    // close() gives work in many steps a time limit, which must not pass on a slow machine.
    const here = start({ clock: createManualClock(Date.now()) })
    const { access_token: token } = await logIn(createSessionApp(here), user)
    await storeSessions(2_500)
    database.commands.clear()
    await end(here, token)
    await here.close()
    const writes = database.commands.filter(({ command }) => 'writeConcern' in command)
    const kind = name === 'deleteSessions(userId)' ? 'delete' : 'update'
    const names = writes.map(command => command.name).filter(command => command !== 'createIndexes')
    expect(names).toEqual(['findAndModify', kind, kind, kind])
    expect(await alive()).toBe(0)
    expect(await sessions().countDocuments({ userId: user })).toBe(kind === 'delete' ? 0 : 2_501)
  })
})

describe('before the documents of the sessions have ended', () => {
  /** What a process does first to end all sessions. */
  async function endOnlyByRecord(): Promise<void> {
    await sessions().updateOne(
      { _id: `user:${toIssuerKey(ISSUER)}:${user}` },
      [
        {
          $set: {
            expressCustomUserData: 'user',
            revokedAt: '$$NOW' as unknown as Date,
            disabledAt: null,
            expiresAt: null,
          },
        },
      ],
      { upsert: true },
    )
  }

  it('a refresh token is refused by every process, and its session stays as it is', async () => {
    const [here, strict] = [start(), start({ reuseToleranceSeconds: 0 })]
    const tokens = [await logIn(createSessionApp(here), user), await logIn(createSessionApp(here), user)]
    const replayed = await exchange(createSessionApp(here), tokens[1]!.refresh_token)
    await endOnlyByRecord()
    for (const token of [tokens[0]!.refresh_token, tokens[1]!.refresh_token, replayed]) {
      for (const at of [here, strict, start()]) expectInvalidGrant(await refresh(createSessionApp(at), token))
    }
    expect(await alive()).toBe(2)
  })

  it('the sessions are not listed, and an access token is refused where its session is read', async () => {
    const [here, checking] = [start(), start({ sessionCheckIntervalMs: 0 })]
    const { access_token: token } = await logIn(createSessionApp(here), user)
    expect((await getMe(createSessionApp(checking), token)).status).toBe(200)
    await endOnlyByRecord()
    expect(await here.sessions(user)).toEqual([])
    expect((await getMe(createSessionApp(checking), token)).status).toBe(401)
  })

  it('a login afterwards has a session that works', async () => {
    const here = start()
    await logIn(createSessionApp(here), user)
    await endOnlyByRecord()
    await here.revoke(user)
    const later = await logIn(createSessionApp(here), user)
    await exchange(createSessionApp(here), later.refresh_token)
    expect(await here.sessions(user)).toHaveLength(1)
    expect((await getMe(createSessionApp(here), later.access_token)).status).toBe(200)
  })
})

describe('if the documents cannot be ended', () => {
  it('the sessions have ended nevertheless, also the cached access tokens here, and a warning says so', async () => {
    const here = start()
    const warnings: unknown[] = []
    here.events.on('warning', warning => warnings.push(warning))
    const app = createSessionApp(here)
    const login = await logIn(app, user)
    expect((await getMe(app, login.access_token)).status).toBe(200)
    // The server refuses only the command that ends the documents.
    const validator = { $or: [{ expressCustomUserData: 'user' }, { revokedAt: null }] }
    await database.db.command({ collMod: 'custom_user_data_sessions', validator })
    await here.revoke(user)
    expect((await getMe(app, login.access_token)).status).toBe(401)
    await here.close()
    expect(warnings).toMatchObject([{ code: 'session_not_removed', userId: user }])
    expectInvalidGrant(await refresh(createSessionApp(start()), login.refresh_token))
    expect(await alive()).toBe(1)
    await database.db.command({ collMod: 'custom_user_data_sessions', validator: {} })
  })
})

describe('close() while the documents of many sessions are being ended', () => {
  it('waits for 2 seconds and the step that is running, and a warning says that documents are left', async () => {
    const clock = createManualClock(Date.now())
    const here = start({ clock })
    const warnings: unknown[] = []
    here.events.on('warning', warning => warnings.push(warning))
    const { refresh_token: token } = await logIn(createSessionApp(here), user)
    await storeSessions(6_000)
    await here.revoke(user)
    const closed = here.close()
    clock.advance(2_000)
    await closed
    expect(await alive()).toBeGreaterThan(0)
    expect(warnings).toMatchObject([{ code: 'session_not_removed', userId: user }])
    expectInvalidGrant(await refresh(createSessionApp(start()), token))
  })
})

describe('a list of sessions', () => {
  it('has 1,000 sessions at most, the newest', async () => {
    const here = start()
    await storeSessions(1_500)
    const { access_token: token } = await logIn(createSessionApp(here), user)
    const answer = await request(createSessionApp(here)).get('/sessions').auth(token, { type: 'bearer' })
    const listed = answer.body as (SessionInfo & { current: boolean })[]
    expect(listed).toHaveLength(1_000)
    expect(listed[0]).toMatchObject({ current: true })
    expect(Object.keys(listed[1]!).sort()).toEqual(
      ['address', 'createdAt', 'current', 'device', 'expiresAt', 'lastUsedAt', 'sid'].sort(),
    )
  })
})
