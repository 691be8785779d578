import type { Express } from 'express'
import type { CustomUserData, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRevocations } from '../../lib/sessions/revocations.js'
import { toIssuerKey } from '../../lib/sessions/session-scope.js'
import type { UserRecordDocument } from '../../lib/sessions/user-records.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { startIssuer } from '../support/key-server.js'
import type { TestIssuer } from '../support/key-server.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  logOut,
  recordEvents,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { createTestUserData, ISSUER } from '../support/user-data.js'

interface Process {
  userData: CustomUserData<Readonly<Record<string, unknown>>>
  app: Express
}

const database = useDatabase()
let clock: ManualClock
let issuer: TestIssuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(async () => {
  await issuer.server.close()
})
beforeEach(() => {
  clock = createManualClock()
})

function start(options: object = {}): Process {
  const userData = createTestUserData(database, { clock, trustedIssuers: [issuer.option()], ...options })
  return { userData, app: createSessionApp(userData) }
}

type Login = TokenAnswer<object>

/** Every way to end a session. The user of each test is one of its own. */
const WAYS: [string, (at: Process, login: Login, user: string) => unknown][] = [
  ['logout (ASVS 7.4.1)', ({ app }, login) => logOut(app, login.refresh_token).expect(204)],
  [
    'logoutAll (ASVS 7.4.1)',
    ({ app }, login) =>
      request(app).post('/logout-all').auth(login.access_token, { type: 'bearer' }).expect(204),
  ],
  [
    'DELETE of an own session',
    ({ app }, login) =>
      request(app)
        .delete(`/sessions/${sidOf(login.refresh_token)}`)
        .auth(login.access_token, { type: 'bearer' })
        .expect(204),
  ],
  ['revoke(userId) (ASVS 7.4.3, 7.4.5)', ({ userData }, _login, user) => userData.revoke(user)],
  [
    'revoke({ sid }) (ASVS 7.4.5)',
    ({ userData }, login) => userData.revoke({ sid: sidOf(login.refresh_token) }),
  ],
  [
    'disable() and enable() (ASVS 7.4.2)',
    async ({ userData }, _login, user) => {
      await userData.disable(user)
      await userData.enable(user)
    },
  ],
  ['deleteSessions() (ASVS 7.4.2)', ({ userData }, _login, user) => userData.deleteSessions(user)],
]

let users = 0
const newUser = () => `user-${users++}`

describe.each(WAYS)('after %s', (_name, end) => {
  it('this process accepts neither a cached access token nor the refresh token', async () => {
    const [user, here] = [newUser(), start()]
    const login = await logIn(here.app, user)
    expect((await getMe(here.app, login.access_token)).status).toBe(200)
    await end(here, login, user)
    const answer = await getMe(here.app, login.access_token)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
    await expect(here.userData.verifyToken(login.access_token)).rejects.toMatchObject({
      code: 'invalid_token',
    })
    expectInvalidGrant(await refresh(here.app, login.refresh_token))
  })

  it('this process accepts no access token of the session, nor the previous refresh token', async () => {
    const [user, here] = [newUser(), start()]
    const login = await logIn(here.app, user)
    const next = (await refresh(here.app, login.refresh_token)).body as Login
    await end(here, next, user)
    for (const { access_token: token } of [login, next]) {
      expect((await getMe(here.app, token)).status).toBe(401)
    }
    for (const { refresh_token: token } of [login, next]) {
      expectInvalidGrant(await refresh(here.app, token))
    }
  })

  it('the access token is refused also if it was not cached', async () => {
    const [user, here] = [newUser(), start({ maxSnapshots: 1 })]
    const login = await logIn(here.app, user)
    await logIn(here.app, newUser())
    await end(here, login, user)
    expect((await getMe(here.app, login.access_token)).status).toBe(401)
  })

  it('a later login is served', async () => {
    const [user, here] = [newUser(), start()]
    await end(here, await logIn(here.app, user), user)
    const later = await logIn(here.app, user)
    expect((await getMe(here.app, later.access_token)).status).toBe(200)
    await exchange(here.app, later.refresh_token)
  })

  it('another user is served', async () => {
    const [user, here] = [newUser(), start()]
    const other = await logIn(here.app, newUser())
    await end(here, await logIn(here.app, user), user)
    expect((await getMe(here.app, other.access_token)).status).toBe(200)
    await exchange(here.app, other.refresh_token)
  })

  it('another process refuses the refresh token at once, and the access token when it reads the session', async () => {
    const [user, here] = [newUser(), start()]
    const looking = start({ sessionCheckIntervalMs: 0 })
    const patient = start({ sessionCheckIntervalMs: 60_000 })
    const not = start()
    const login = await logIn(here.app, user)
    const others = [looking, patient, not]
    for (const { app } of others) expect((await getMe(app, login.access_token)).status).toBe(200)
    await end(here, login, user)
    const statuses = async () =>
      Promise.all(others.map(async ({ app }) => (await getMe(app, login.access_token)).status))
    expect(await statuses()).toEqual([401, 200, 200])
    clock.advance(60_000)
    expect(await statuses()).toEqual([401, 401, 200])
    for (const { app } of others) expectInvalidGrant(await refresh(app, login.refresh_token))
  })
})

describe.each(WAYS)('after %s the other sessions of the user', (name, end) => {
  const endsAll = !/^logout |DELETE|sid/.test(name)

  it(endsAll ? 'have ended too' : 'go on', async () => {
    const [user, here] = [newUser(), start()]
    const other = await logIn(here.app, user)
    await end(here, await logIn(here.app, user), user)
    expect((await getMe(here.app, other.access_token)).status).toBe(endsAll ? 401 : 200)
    expect((await refresh(here.app, other.refresh_token)).status).toBe(endsAll ? 400 : 200)
  })
})

describe('revoke()', () => {
  it('of a session that another process has ended already refuses its access tokens here', async () => {
    for (const target of ['sid', 'user']) {
      const [user, here, elsewhere] = [newUser(), start(), start()]
      const login = await logIn(here.app, user)
      await logOut(elsewhere.app, login.refresh_token)
      await here.userData.revoke(target === 'sid' ? { sid: sidOf(login.refresh_token) } : user)
      expect((await getMe(here.app, login.access_token)).status, target).toBe(401)
    }
  })

  it('of a session that has expired unused refuses its access tokens here', async () => {
    for (const target of ['sid', 'user']) {
      const [user, here] = [newUser(), start({ refreshTokenIdleSeconds: 60 })]
      const login = await logIn(here.app, user)
      clock.advance(60_000)
      await here.userData.revoke(target === 'sid' ? { sid: sidOf(login.refresh_token) } : user)
      expect((await getMe(here.app, login.access_token)).status, target).toBe(401)
    }
  })

  it('of an unknown session or user is no error', async () => {
    const { userData } = start()
    await userData.revoke('nobody')
    await userData.revoke({ sid: 'A'.repeat(22) })
  })

  it('emits the event `revoked`, with the id of the session or of the user', async () => {
    const [user, here] = [newUser(), start()]
    const events = recordEvents(here.userData)
    const login = await logIn(here.app, user)
    const sid = sidOf(login.refresh_token)
    await here.userData.revoke({ sid })
    await here.userData.revoke(user)
    expect(events.slice(1)).toEqual([
      { name: 'revoked', by: 'revoke', userId: user, sid },
      { name: 'revoked', by: 'revoke', userId: user },
    ])
  })

  it('during a refresh lets no token of the session through, whichever came first', async () => {
    for (let round = 0; round < 5; round++) {
      const [user, here] = [newUser(), start()]
      const login = await logIn(here.app, user)
      const [answer] = await Promise.all([refresh(here.app, login.refresh_token), here.userData.revoke(user)])
      expect([200, 400]).toContain(answer.status)
      const tokens = [login.access_token, String((answer.body as Partial<Login>).access_token)]
      for (const token of tokens) expect((await getMe(here.app, token)).status).toBe(401)
      expectInvalidGrant(await refresh(here.app, login.refresh_token))
    }
  })
})

describe('a user of a trusted issuer', () => {
  const TOLERANCE_SECONDS = 5
  // The time of a revocation is the database server's, so these tests go by the machine's clock.
  const secondsNow = () => Math.floor(Date.now() / 1000)
  const token = (claims: object = {}) =>
    issuer.token({ iat: secondsNow(), exp: secondsNow() + 600, ...claims })
  const startNow = (options: object = {}) => start({ clock: undefined, ...options })
  /** A user of its own for each test: the claim, and the id. */
  function newForeignUser() {
    const sub = newUser()
    return { sub, userId: `${issuer.server.origin}|${sub}` }
  }

  it('is refused with tokens that were issued before revoke(), and let in with later ones', async () => {
    const { app, userData } = startNow()
    const { sub, userId } = newForeignUser()
    const before = [token({ sub }), token({ sub, iat: secondsNow() - 100 }), token({ sub, sid: 'theirs' })]
    for (const old of before) expect((await getMe(app, old)).status).toBe(200)
    await userData.revoke(userId)
    for (const old of before) expect((await getMe(app, old)).status).toBe(401)
    const later = startNow({ clock: createManualClock(Date.now() + 60_000) })
    const fresh = token({ sub, iat: secondsNow() + 60 })
    expect((await getMe(later.app, fresh)).status).toBe(200)
    for (const old of before) expect((await getMe(later.app, old)).status).toBe(401)
  })

  it('is refused in the second of the revocation and for the tolerance after it, and the 401 says when to sign in', async () => {
    const { userData } = startNow()
    const { sub, userId } = newForeignUser()
    await userData.revoke(userId)
    const { revokedAt } = (await database.db
      .collection<UserRecordDocument>('custom_user_data_sessions')
      .findOne({ _id: `user:${toIssuerKey(ISSUER)}:${userId}` }))!
    const last = Math.floor(revokedAt!.getTime() / 1000) + TOLERANCE_SECONDS
    const later = startNow({ clock: createManualClock(Date.now() + 60_000) })
    for (const { userData: at, iat } of [
      { userData, iat: last - TOLERANCE_SECONDS },
      { userData: later.userData, iat: last },
    ]) {
      await expect(at.verifyToken(token({ sub, iat }))).rejects.toMatchObject({
        code: 'invalid_token',
        message:
          "The sign-in was too close to a revocation of the user's tokens. " +
          `A new sign-in works from ${new Date((last + 1) * 1000).toISOString()} on.`,
      })
    }
    expect((await later.userData.verifyToken(token({ sub, iat: last + 1 }))).id).toBe(userId)
  })

  it('is refused with a token whose iat is further in the future than the tolerance', async () => {
    const { userData } = startNow()
    const { sub, userId } = newForeignUser()
    const ahead = token({ sub, iat: secondsNow() + 3600, exp: secondsNow() + 7200 })
    await expect(userData.verifyToken(ahead)).rejects.toMatchObject({
      code: 'invalid_token',
      message: expect.stringContaining('was issued in the future'),
    })
    expect((await userData.verifyToken(token({ sub, iat: secondsNow() + 3 }))).id).toBe(userId)
  })

  it('who is disabled is refused with tokens from later, too, in this process and in one that starts later', async () => {
    const { sub, userId } = newForeignUser()
    const here = startNow()
    expect((await getMe(here.app, token({ sub }))).status).toBe(200)
    await here.userData.disable(userId)
    const later = startNow({ clock: createManualClock(Date.now() + 60_000) })
    const fresh = () => token({ sub, iat: secondsNow() + 60, exp: secondsNow() + 600 })
    for (let i = 0; i < 2; i++) {
      await expect(later.userData.verifyToken(fresh())).rejects.toMatchObject({
        code: 'invalid_token',
        message: 'The user of the access token is disabled.',
      })
    }
    await here.userData.enable(userId)
    expect((await later.userData.verifyToken(fresh())).id).toBe(userId)
  })

  it('who was served by another process is refused there at the next load, and accepted again after enable()', async () => {
    const { sub, userId } = newForeignUser()
    const manual = createManualClock(Date.now())
    const there = startNow({ clock: manual })
    const iat = secondsNow()
    const old = token({ sub, iat, exp: iat + 7200 })
    expect((await there.userData.verifyToken(old)).id).toBe(userId)
    await startNow().userData.disable(userId)
    expect((await there.userData.verifyToken(old)).id).toBe(userId)
    manual.advance(30 * 60_000)
    for (const refused of [old, token({ sub, iat: iat + 1800, exp: iat + 7200 })]) {
      await expect(there.userData.verifyToken(refused)).rejects.toMatchObject({ code: 'invalid_token' })
    }
    await startNow().userData.enable(userId)
    expect((await there.userData.verifyToken(token({ sub, iat: iat + 1800, exp: iat + 7200 }))).id).toBe(
      userId,
    )
    await expect(there.userData.verifyToken(old)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it.each([0, 10_000])(
    'who is disabled or revoked elsewhere is refused within sessionCheckIntervalMs: %d',
    async sessionCheckIntervalMs => {
      for (const end of ['disable', 'revoke'] as const) {
        const { sub, userId } = newForeignUser()
        const manual = createManualClock(Date.now())
        const there = startNow({ clock: manual, sessionCheckIntervalMs })
        const used = token({ sub })
        expect((await there.userData.verifyToken(used)).id).toBe(userId)
        await startNow().userData[end](userId)
        manual.advance(sessionCheckIntervalMs)
        await expect(there.userData.verifyToken(used)).rejects.toMatchObject({ code: 'invalid_token' })
        await startNow().userData.enable(userId)
      }
    },
  )

  it('costs one read of the record at the same time as each load, and none for a cached token', async () => {
    const { sub } = newForeignUser()
    const { userData } = startNow()
    await userData.ready()
    const used = token({ sub })
    database.commands.clear()
    for (let i = 0; i < 3; i++) await userData.verifyToken(used)
    const records = database.commands
      .named('find')
      .filter(({ command }) => JSON.stringify(command).includes('user:'))
    expect(records).toHaveLength(1)
    expect(database.commands.loads()).toHaveLength(1)
  })

  it('is not our own user with the same id', async () => {
    const { app, userData } = startNow()
    const { sub } = newForeignUser()
    const [ours, theirs] = [(await logIn(app, sub)).access_token, token({ sub })]
    await userData.revoke(sub)
    expect((await getMe(app, ours)).status).toBe(401)
    expect((await getMe(app, theirs)).status).toBe(200)
  })

  it('is not refused because a session of ours with the same sid was revoked', async () => {
    const { app, userData } = startNow()
    const { sub } = newForeignUser()
    const { refresh_token: ours } = await logIn(app, sub)
    await userData.revoke({ sid: sidOf(ours) })
    expect((await getMe(app, token({ sub, sid: sidOf(ours) }))).status).toBe(200)
  })
})

describe('the revocations of a process', () => {
  const claims = (changes: object = {}) => ({ iss: ISSUER, sub: 'alice', aud: 'a', exp: 0, ...changes })
  type Revocations = ReturnType<typeof createRevocations>
  function isRevoked(revocations: Revocations, userId: string, of: ReturnType<typeof claims>): boolean {
    try {
      revocations.requireNotRevoked(userId, of)
      return false
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_token' })
      return true
    }
  }

  it('remembers a session as long as its access tokens can live, and not for ever', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 5_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    revocations.revokeSession('one')
    clock.advance(999)
    revocations.revokeSession('two')
    expect(isRevoked(revocations, 'alice', claims({ sid: 'one' }))).toBe(true)
    clock.advance(1)
    revocations.revokeSession('three')
    expect(['one', 'two', 'three'].map(revocations.wasSessionEnded)).toEqual([false, true, true])
  })

  it('remembers a session that was revoked again for the full time', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 1_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    revocations.revokeSession('one')
    clock.advance(600)
    revocations.revokeSession('one')
    clock.advance(600)
    revocations.revokeSession('two')
    expect(revocations.wasSessionEnded('one')).toBe(true)
  })

  it('remembers each session for exactly its time, also after pauses', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 1_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    const revokedAt: number[] = []
    for (const pause of [0, 400, 599, 1, 300, 700, 1_000, 5_000, 999, 1_001]) {
      clock.advance(pause)
      revocations.revokeSession(String(revokedAt.length))
      revokedAt.push(clock.monotonic())
      const alive = revokedAt.map(at => clock.monotonic() < at + 1_000)
      expect(revokedAt.map((_at, n) => revocations.wasSessionEnded(String(n)))).toEqual(alive)
    }
  })

  it('does not depend on the wall clock, which may jump', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 1_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    revocations.revokeSession('one')
    clock.setWall(clock.now() + 3_600_000)
    revocations.revokeSession('two')
    expect(revocations.wasSessionEnded('one')).toBe(true)
  })

  it('does not replace a newer revocation of a user by an older one', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 1_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    const iat = Math.floor(clock.now() / 1000) - 10
    revocations.revokeUser('alice', clock.now())
    revocations.revokeUser('alice', clock.now() - 60_000)
    revocations.revokeUser('bob', clock.now() - 60_000)
    expect(isRevoked(revocations, 'alice', claims({ iss: 'another', iat }))).toBe(true)
    expect(isRevoked(revocations, 'bob', claims({ iss: 'another', iat }))).toBe(false)
  })

  it('do not concern a token without a session, or other users', () => {
    const revocations = createRevocations(
      { sessionMs: 1_000, userMs: 1_000, clockToleranceMs: 0 },
      ISSUER,
      clock,
    )
    revocations.revokeSession('one')
    revocations.revokeUser('alice', clock.now())
    expect(isRevoked(revocations, 'alice', claims())).toBe(false)
    expect(isRevoked(revocations, 'bob', claims({ iss: 'another', iat: 0 }))).toBe(false)
    expect(isRevoked(revocations, 'alice', claims({ iss: 'another', iat: 0 }))).toBe(true)
  })
})
