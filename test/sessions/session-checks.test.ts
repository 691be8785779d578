import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import type { TestDatabase } from '../support/database.js'
import { startIssuer } from '../support/key-server.js'
import { createSessionApp, getMe, logIn, logOut } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const deadlines = holdDeadlines()
const database = useDatabase()
let clock: ManualClock
beforeEach(() => {
  clock = createManualClock()
})

function start(sessionCheckIntervalMs?: number, from: Pick<TestDatabase, 'db'> = database) {
  return createTestUserData(from, { clock, sessionCheckIntervalMs, sessionTimeoutMs: 400 })
}

/** Where one logs in and out; and where their tokens are used. */
function startTwo(sessionCheckIntervalMs?: number) {
  return {
    elsewhere: createSessionApp(start()),
    here: createSessionApp(start(sessionCheckIntervalMs)),
  }
}

const finds = () =>
  database.commands.named('find').filter(({ command }) => command['find'] === 'custom_user_data_sessions')

describe('a session that was ended in another process', () => {
  it('is noticed by the next request if the interval is 0', async () => {
    const { elsewhere, here } = startTwo(0)
    const login = await logIn(elsewhere)
    for (let i = 0; i < 2; i++) expect((await getMe(here, login.access_token)).status).toBe(200)
    await logOut(elsewhere, login.refresh_token)
    const answer = await getMe(here, login.access_token)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('is noticed when the interval has passed, and not before', async () => {
    const { elsewhere, here } = startTwo(10_000)
    const login = await logIn(elsewhere)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    await logOut(elsewhere, login.refresh_token)
    clock.advance(9_999)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    clock.advance(1)
    for (let i = 0; i < 2; i++) expect((await getMe(here, login.access_token)).status).toBe(401)
  })

  it('is noticed after the machine has slept for the interval', async () => {
    const { elsewhere, here } = startTwo(10_000)
    const login = await logIn(elsewhere)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    await logOut(elsewhere, login.refresh_token)
    clock.sleep(9_999)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    clock.sleep(1)
    expect((await getMe(here, login.access_token)).status).toBe(401)
  })

  it('is not noticed without the option: its access tokens are valid until they expire', async () => {
    const { elsewhere, here } = startTwo()
    const login = await logIn(elsewhere)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    await logOut(elsewhere, login.refresh_token)
    clock.advance(30 * 60_000)
    expect((await getMe(here, login.access_token)).status).toBe(200)
    clock.advance(5_000)
    expect((await getMe(here, login.access_token)).status).toBe(401)
  })

  it('is noticed at the first request of a process that has not cached the token', async () => {
    const { elsewhere, here } = startTwo(10_000)
    const login = await logIn(elsewhere)
    await logOut(elsewhere, login.refresh_token)
    expect((await getMe(here, login.access_token)).status).toBe(401)
  })
})

describe('the check of a session', () => {
  it('costs one read of the session and one of the record for each interval, and none in between', async () => {
    const { elsewhere, here } = startTwo(10_000)
    const login = await logIn(elsewhere)
    database.commands.clear()
    for (let i = 0; i < 3; i++) await getMe(here, login.access_token)
    expect(finds()).toHaveLength(2)
    clock.advance(10_000)
    for (let i = 0; i < 3; i++) await getMe(here, login.access_token)
    expect(finds()).toHaveLength(4)
  })

  it('is shared by simultaneous requests', async () => {
    const { elsewhere } = startTwo()
    const userData = start(10_000)
    const { access_token: token } = await logIn(elsewhere)
    await userData.verifyToken(token)
    clock.advance(10_000)
    database.commands.clear()
    await Promise.all(Array.from({ length: 20 }, () => userData.verifyToken(token)))
    expect(finds()).toHaveLength(2)
  })

  it('is not shared if the interval is 0, because a shared check may have begun before the session ended', async () => {
    const { elsewhere } = startTwo()
    const userData = start(0)
    const { access_token: token } = await logIn(elsewhere)
    await userData.verifyToken(token)
    database.commands.clear()
    await Promise.all(Array.from({ length: 5 }, () => userData.verifyToken(token)))
    expect(finds()).toHaveLength(10)
  })

  it('never happens without the option', async () => {
    const { elsewhere, here } = startTwo()
    const login = await logIn(elsewhere)
    database.commands.clear()
    await getMe(here, login.access_token)
    expect(finds()).toHaveLength(0)
  })

  it('never happens for a session id in the token of another issuer', async () => {
    const issuer = await startIssuer()
    const trustedIssuers = [issuer.option()]
    const userData = createTestUserData(database, { clock, trustedIssuers, sessionCheckIntervalMs: 0 })
    const exp = Math.floor(clock.now() / 1000) + 600
    for (let i = 0; i < 2; i++) {
      const user = await userData.verifyToken(issuer.token({ sid: 'a session of theirs', exp }))
      expect(user.id).toBe(`${issuer.server.origin}|alice`)
    }
    await issuer.server.close()
  })
})

it('a check that MongoDB does not answer is a 503, and the session does not count as ended', async () => {
  const proxied = await openProxiedDatabase(database)
  const { proxy } = proxied
  const { elsewhere } = startTwo()
  const here = createSessionApp(start(10_000, { db: proxied.db }))
  const login = await logIn(elsewhere)
  expect((await getMe(here, login.access_token)).status).toBe(200)
  clock.advance(10_000)
  proxy.pause()
  const { answer } = await deadlines.passUntil(getMe(here, login.access_token))
  expect(answer).toMatchObject({ status: 503, body: { code: 'sessions_unavailable' } })
  expect(answer.headers).toMatchObject({ 'retry-after': '1' })
  proxy.resume()
  expect((await getMe(here, login.access_token)).status).toBe(200)
})
