import type { Collection } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import type { TestDatabase } from '../support/database.js'
import { createFollower, startFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'
import { startIssuer } from '../support/key-server.js'
import { createSessionApp, exchange, logIn, logOut, refresh, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

type UserData = ReturnType<typeof createTestUserData>

const writing = useDatabase()
let reading: TestDatabase
let sessions: Collection<{ _id: string }>
let here: UserData
let there: Follower
beforeAll(async () => {
  reading = await openDatabase()
  sessions = writing.db.collection('custom_user_data_sessions')
})
beforeEach(async () => {
  here = createTestUserData(writing)
  there = await startFollower(otherDb())
})
afterEach(() => there.userData.close())
afterAll(async () => {
  await reading.client.close()
})

/** The same database, by a client of its own, as another process has it. */
const otherDb = () => reading.client.db(writing.db.databaseName)

/** Logs in here, and uses the token there. */
async function logInAndVisit(user = 'alice') {
  const login = await logIn(createSessionApp(here), user)
  await there.userData.verifyToken(login.access_token)
  return { token: login.access_token, refreshToken: login.refresh_token, sid: sidOf(login.refresh_token) }
}

async function expectRefused(token: string, follower = there): Promise<void> {
  await expect.poll(() => follower.errorOf(token)).toMatchObject({ code: 'invalid_token' })
}

describe('the end of a session in one process ends its access tokens in another process:', () => {
  it.each<[string, (login: Awaited<ReturnType<typeof logInAndVisit>>) => Promise<unknown>]>([
    ['by a logout', ({ refreshToken }) => logOut(createSessionApp(here), refreshToken)],
    ['by revoke({ sid })', ({ sid }) => here.revoke({ sid })],
    ['by revoke(userId)', () => here.revoke('alice')],
    ['by disable(userId)', () => here.disable('alice')],
    ['by deleteSessions(userId)', () => here.deleteSessions('alice')],
    [
      'by hand: revokedAt set',
      ({ sid }) => sessions.updateOne({ _id: sid }, { $set: { revokedAt: new Date() } }),
    ],
    [
      'by hand: the document replaced',
      ({ sid }) => sessions.replaceOne({ _id: sid }, { revokedAt: new Date() }),
    ],
    ['by hand: the document deleted', ({ sid }) => sessions.deleteOne({ _id: sid })],
  ])('%s', async (_name, end) => {
    const login = await logInAndVisit()
    const other = await logInAndVisit('bob')
    await end(login)
    await expectRefused(login.token)
    await there.userData.verifyToken(other.token)
    await here.enable('alice')
  })

  it('by a replay of an exchanged refresh token', async () => {
    const app = createSessionApp(here)
    const { token, refreshToken } = await logInAndVisit()
    await exchange(app, await exchange(app, refreshToken))
    await there.userData.verifyToken(token)
    await letExchangesAge(writing.db, 30_000, refreshToken)
    await refresh(app, refreshToken).expect(400)
    await expectRefused(token)
  })
})

describe('a session that lives on', () => {
  it('causes no event: logins and refreshes are filtered out by the server', async () => {
    let told = 0
    reading.client.on('commandSucceeded', ({ commandName, reply }) => {
      if (commandName === 'getMore')
        told += (reply as { cursor: { nextBatch: unknown[] } }).cursor.nextBatch.length
    })
    const app = createSessionApp(here)
    const { token, refreshToken } = await logInAndVisit()
    await exchange(app, refreshToken)
    const { sid } = await logInAndVisit('bob')
    await here.revoke({ sid })
    await expect.poll(() => told).toBe(1)
    await there.userData.verifyToken(token)
  })

  it('does not end if its document is replaced by one of a live session', async () => {
    const { token, sid } = await logInAndVisit()
    const last = await logInAndVisit('bob')
    const document = (await sessions.findOne({ _id: sid }))!
    await sessions.replaceOne({ _id: sid }, { ...document, device: 'renamed' })
    await here.revoke({ sid: last.sid })
    await expectRefused(last.token)
    await there.userData.verifyToken(token)
  })
})

it('a user of a trusted issuer who is disabled is refused in other processes at once, and accepted again after enable()', async () => {
  const issuer = await startIssuer()
  await there.userData.close()
  const clock = createManualClock(Date.now())
  there = await startFollower(otherDb(), { trustedIssuers: [issuer.option()], clock })
  const now = Math.floor(Date.now() / 1000)
  const [used, later] = [1, 60].map(seconds => issuer.token({ sub: 'eve', iat: now + seconds })) as [
    string,
    string,
  ]
  const userId = `${issuer.server.origin}|eve`
  await there.userData.verifyToken(used)
  clock.advance(60_000)
  await there.userData.verifyToken(later)
  await here.disable(userId)
  await expectRefused(later)
  await expectRefused(used)
  await here.enable(userId)
  expect((await there.userData.verifyToken(later)).id).toBe(userId)
  await expectRefused(used)
  await issuer.server.close()
})

it('a revocation that was missed while the stream was away is found when it opens', async () => {
  const issuer = await startIssuer()
  const userId = `${issuer.server.origin}|mallory`
  const late = createFollower(otherDb(), { trustedIssuers: [issuer.option()] })
  const used = issuer.token({ sub: 'mallory' })
  // By a process that follows nothing yet: the load itself opens the streams.
  const served = late.userData.verifyToken(used).catch(() => undefined)
  await here.revoke(userId)
  await served
  await late.until('sessions', 'open')
  await expectRefused(used, late)
  await late.userData.close()
  await issuer.server.close()
})

it('a disabled user of a trusted issuer is refused in other processes with earlier tokens', async () => {
  const issuer = await startIssuer()
  await there.userData.close()
  there = await startFollower(otherDb(), { trustedIssuers: [issuer.option()] })
  const userId = `${issuer.server.origin}|alice`
  const iat = Math.floor(Date.now() / 1000) - 10
  await there.userData.verifyToken(issuer.token({ iat }))
  await here.disable(userId)
  await expectRefused(issuer.token({ iat }))
  await here.enable(userId)
  await issuer.server.close()
})

describe('a process that starts', () => {
  it('knows the earlier revocations whose access tokens may still be valid', async () => {
    const { token, sid } = await logInAndVisit()
    await here.revoke({ sid })
    const late = createFollower(otherDb())
    await late.userData.ready()
    await expect(late.userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
    await late.userData.close()
  })

  it('reads only those revocations, by their index', async () => {
    const { sid } = await logInAndVisit('reader')
    await sessions.updateOne({ _id: sid }, { $set: { revokedAt: new Date(Date.now() - 3_600_000) } })
    await there.until('sessions', 'open')
    const [sent] = reading.commands
      .named('find')
      .filter(({ command }) => 'revokedAt' in (command['filter'] as object))
      .slice(-1)
    const filter = sent!.command['filter'] as object
    const plan = await sessions.find(filter, { collation: { locale: 'simple' } }).explain('executionStats')
    expect(JSON.stringify(plan)).toContain('session_revoked')
    expect((plan['executionStats'] as { totalDocsExamined: number }).totalDocsExamined).toBeLessThan(50)
    expect(
      await sessions
        .find(filter)
        .map(({ _id }) => _id)
        .toArray(),
    ).not.toContain(sid)
  })
})

describe('a load for a token that this instance issued', () => {
  const sessionReads = () =>
    reading.commands
      .named('find')
      .filter(({ command }) => typeof (command['filter'] as { _id?: unknown })._id === 'object')
      .filter(({ command }) => command['find'] === 'custom_user_data_sessions')

  it.each<[string, (login: Awaited<ReturnType<typeof logInAndVisit>>) => Promise<unknown>]>([
    ['revoke(userId)', () => here.revoke('alice')],
    ['revoke({ sid })', ({ sid }) => here.revoke({ sid })],
    ['deleteSessions(userId)', () => here.deleteSessions('alice')],
  ])('refuses a token from before %s in a process that never called ready()', async (_name, end) => {
    const login = await logInAndVisit()
    await end(login)
    const late = createFollower(otherDb())
    reading.commands.clear()
    expect(await late.errorOf(login.token)).toMatchObject({ code: 'invalid_token', status: 401 })
    // One of the session, and one of the record of its user.
    expect(sessionReads()).toHaveLength(2)
    await late.userData.close()
  })

  it('reads the session in a process without change streams', async () => {
    // Two streams and the app's own commands need four connections.
    const small = await openDatabase({ maxPoolSize: 3 })
    const without = createFollower(small.client.db(writing.db.databaseName))
    await without.userData.ready()
    expect(without.warnings).toMatchObject([{ code: 'change_stream_unavailable' }])
    const [alive, revoked] = [await logInAndVisit('bob'), await logInAndVisit()]
    await here.revoke({ sid: revoked.sid })
    expect(await without.errorOf(revoked.token)).toMatchObject({ code: 'invalid_token' })
    expect(await without.errorOf(alive.token)).toBeUndefined()
    await without.userData.close()
    await small.close()
  })

  it('does not read the session while the streams are open, or with changeStreams: off', async () => {
    const { token } = await logInAndVisit('visitor')
    reading.commands.clear()
    there.userData.invalidate('visitor')
    await there.userData.verifyToken(token)
    expect(sessionReads()).toHaveLength(0)
    const patient = createTestUserData({ db: otherDb() })
    const { sid } = await logInAndVisit('visitor')
    await patient.verifyToken(token)
    await here.revoke({ sid })
    expect(sessionReads()).toHaveLength(0)
  })
})
