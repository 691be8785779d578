import { beforeEach, describe, expect, it } from 'vitest'
import type { Express } from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import request from 'supertest'
import { toIssuerKey } from '../../lib/sessions/session-scope.js'
import type { UserRecordDocument } from '../../lib/sessions/user-records.js'
import { createManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  logIn,
  recordEvents,
  refresh,
} from '../support/session-app.js'
import { createTestUserData, ISSUER } from '../support/user-data.js'

const clock = createManualClock()
/** Five years, the longest time that a team may let sessions live, and a day. */
const RECORD_TTL_MS = (5 * 365 + 1) * 24 * 3_600_000
const WRONG = {
  status: 401,
  body: { error: 'invalid_credentials', error_description: 'The credentials are wrong.' },
}

const database = useDatabase()
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let app: Express
beforeEach(() => {
  userData = createTestUserData(database, { clock })
  app = createSessionApp(userData)
})

let users = 0
const newUser = () => `user-${users++}`
const tryLogIn = (user: string, at = app) => request(at).post('/login').send({ user })
const records = () => database.db.collection<UserRecordDocument>('custom_user_data_sessions')
const keyOf = (user: string) => `user:${toIssuerKey(ISSUER)}:${user}`
const record = (user: string) => records().findOne({ _id: keyOf(user) })

describe('a disabled user', () => {
  it('gets the answer of wrong credentials, in every process and after a restart', async () => {
    const user = newUser()
    await userData.disable(user)
    for (const at of [app, createSessionApp(createTestUserData(database, { clock }))]) {
      const answer = await tryLogIn(user, at)
      expect(answer).toMatchObject(WRONG)
      expect(answer.text).toBe((await request(at).post('/login').send({})).text)
    }
  })

  it('gets no tokens by issueTokens() either, and no session', async () => {
    const user = newUser()
    await userData.disable(user)
    await expect(userData.issueTokens(user)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(await userData.sessions(user)).toEqual([])
  })

  it('cannot refresh in any process', async () => {
    const user = newUser()
    const { refresh_token: token } = await logIn(app, user)
    await userData.disable(user)
    const other = createSessionApp(createTestUserData(database, { clock }))
    expectInvalidGrant(await refresh(other, token))
    expectInvalidGrant(await refresh(app, token))
  })

  it('can log in again after enable(), and the old sessions stay ended', async () => {
    const user = newUser()
    const { refresh_token: old } = await logIn(app, user)
    await userData.disable(user)
    await userData.enable(user)
    const { refresh_token: token } = await logIn(app, user)
    await exchange(app, token)
    expectInvalidGrant(await refresh(app, old))
  })

  it('does not affect a user whose id begins or ends alike, or differs in case', async () => {
    await userData.disable('carol')
    for (const user of ['Carol', 'carol2', 'arol', 'user:carol', ':carol']) await logIn(app, user)
    expect(await tryLogIn('carol')).toMatchObject(WRONG)
  })

  it('who is disabled during a login has no session afterwards, in either order', async () => {
    for (let round = 0; round < 10; round++) {
      const user = newUser()
      const [answer] = await Promise.all([tryLogIn(user), userData.disable(user)])
      const { access_token: access, refresh_token: token } = answer.body as Record<string, string>
      // The session of a refused login is removed after the answer. Nobody ever has its tokens.
      await expect.poll(() => userData.sessions(user)).toEqual([])
      if (answer.status !== 200) continue
      expect((await request(app).get('/me').auth(access!, { type: 'bearer' })).status).toBe(401)
      expectInvalidGrant(await refresh(app, token!))
    }
  })

  it('is not stored as a session: the entry cannot be listed, refreshed or revoked', async () => {
    const user = newUser()
    await userData.disable(user)
    const { access_token: access } = await logIn(app, newUser())
    const answer = await request(app)
      .delete(`/sessions/${keyOf(user)}`)
      .auth(access, { type: 'bearer' })
    expect(answer.status).toBe(404)
    await userData.revoke({ sid: keyOf(user) })
    expectInvalidGrant(await refresh(app, keyOf(user)))
    expect(await tryLogIn(user)).toMatchObject(WRONG)
  })
})

it('disable() and enable() may come twice, and keep the first time', async () => {
  const user = newUser()
  await userData.disable(user)
  const first = await record(user)
  await userData.disable(user)
  const second = await record(user)
  expect(second).toEqual({
    _id: keyOf(user),
    expressCustomUserData: 'user',
    disabledAt: first!.disabledAt,
    revokedAt: expect.any(Date),
    expiresAt: null,
  })
  expect(second!.revokedAt!.getTime()).toBeGreaterThan(first!.revokedAt!.getTime())
  for (let i = 0; i < 2; i++) await userData.enable(user)
  const { revokedAt } = second!
  const expiresAt = new Date(revokedAt!.getTime() + RECORD_TTL_MS)
  expect(await record(user)).toEqual({ ...second, disabledAt: null, expiresAt })
  await logIn(app, user)
})

it('a record outlives the sessions of every instance, however short the sessions of its own instance live', async () => {
  const user = newUser()
  const short = createTestUserData(database, { clock, refreshTokenTtlSeconds: 1_800 })
  for (const end of [() => short.revoke(user), () => short.disable(user).then(() => short.enable(user))]) {
    await end()
    const { revokedAt, expiresAt } = (await record(user))!
    expect(expiresAt!.getTime() - revokedAt!.getTime()).toBe(RECORD_TTL_MS)
  }
})

it('enable() of a user who was never disabled stores nothing', async () => {
  const user = newUser()
  await userData.enable(user)
  expect(await record(user)).toBeNull()
})

it('the time of a revocation is the server’s, never goes back, and has passed when the call resolves', async () => {
  const user = newUser()
  // The clock of this process is months off.
  await userData.revoke(user)
  const { revokedAt, expiresAt } = (await record(user))!
  const { localTime } = await database.db.command({ hello: 1 })
  expect(Math.abs(revokedAt!.getTime() - (localTime as Date).getTime())).toBeLessThan(60_000)
  expect((localTime as Date).getTime()).toBeGreaterThanOrEqual(revokedAt!.getTime() + 2)
  expect(expiresAt!.getTime() - revokedAt!.getTime()).toBe(RECORD_TTL_MS)
  const ahead = new Date(revokedAt!.getTime() + 300)
  await records().updateOne({ _id: keyOf(user) }, { $set: { revokedAt: ahead } })
  await userData.revoke(user)
  expect((await record(user))!.revokedAt).toEqual(ahead)
  const after = (await database.db.command({ hello: 1 })) as { localTime: Date }
  expect(after.localTime.getTime()).toBeGreaterThanOrEqual(ahead.getTime() + 2)
})

it('a server whose clock never passes the revocation is a 503 in time, and the revocation holds', async () => {
  const user = newUser()
  const { refresh_token: token } = await logIn(app, user)
  await userData.revoke(user)
  const ahead = new Date(Date.now() + 3_600_000)
  await records().updateOne({ _id: keyOf(user) }, { $set: { revokedAt: ahead } })
  const impatient = createTestUserData(database, { clock, sessionTimeoutMs: 500 })
  await expect(impatient.revoke(user)).rejects.toMatchObject({ code: 'sessions_unavailable', status: 503 })
  expectInvalidGrant(await refresh(app, token))
})

it('revocations of one new user that come together make one record', async () => {
  const user = newUser()
  const instances = Array.from({ length: 8 }, () => createTestUserData(database, { clock }))
  await Promise.all(instances.map(instance => instance.revoke(user)))
  expect(await records().countDocuments({ _id: keyOf(user) })).toBe(1)
})

it('a user is refused if the time in the record is not a date, because it was written by hand', async () => {
  for (const revokedAt of ['yesterday', 0, true, {}] as unknown[]) {
    const user = newUser()
    await records().insertOne({
      _id: keyOf(user),
      expressCustomUserData: 'user',
      revokedAt,
      disabledAt: null,
      expiresAt: null,
    } as UserRecordDocument)
    expect(await tryLogIn(user)).toMatchObject(WRONG)
  }
})

it('disable() emits the event `revoked`, and a later login emits `login_refused`', async () => {
  const user = newUser()
  const events = recordEvents(userData)
  await userData.disable(user)
  await tryLogIn(user)
  expect(events).toMatchObject([
    { name: 'revoked', by: 'disable', userId: user },
    { name: 'login_refused', address: '127.0.0.1' },
  ])
})

it('records of users are read from the primary and written with majority, even if the database has other defaults', async () => {
  const user = newUser()
  const weak = database.client.db(database.db.databaseName, {
    readPreference: 'secondaryPreferred',
    writeConcern: { w: 1 },
  })
  const there = createTestUserData({ db: weak }, { clock })
  database.commands.clear()
  await there.disable(user)
  await tryLogIn(user, createSessionApp(there))
  await there.enable(user)
  const isRecord = ({ command }: { command: Record<string, unknown> }) =>
    JSON.stringify(command).includes('user:')
  const writes = database.commands.named('update', 'findAndModify').filter(isRecord)
  expect(writes).toHaveLength(2)
  for (const { command } of writes) expect(command['writeConcern']).toMatchObject({ w: 'majority' })
  const reads = database.commands.named('find', 'aggregate').filter(isRecord)
  expect(reads.length).toBeGreaterThan(1)
  for (const { command } of reads)
    expect(command['$readPreference'] ?? { mode: 'primary' }).toEqual({ mode: 'primary' })
})

it('ASVS 16.5.3: a record that cannot be read is a 503, and the login is refused', async () => {
  const proxied = await openProxiedDatabase(database)
  const { proxy } = proxied
  const db = proxied.db
  const patient = createTestUserData({ db }, { clock })
  await patient.ready()
  const impatient = createTestUserData({ db }, { clock, sessionTimeoutMs: 300 })
  proxy.pause()
  const answer = await tryLogIn(newUser(), createSessionApp(impatient))
  expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
  await expect(impatient.disable('a')).rejects.toMatchObject({ code: 'sessions_unavailable' })
  await expect(impatient.enable('a')).rejects.toMatchObject({ code: 'sessions_unavailable' })
  proxy.resume()
})
