import type { Express } from 'express'
import type { CustomUserData, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRevocations } from '../../lib/sessions/revocations.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
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

let database: TestDatabase
let clock: ManualClock
let issuer: TestIssuer
beforeAll(async () => {
  database = await openDatabase()
  issuer = await startIssuer()
})
afterAll(async () => {
  await issuer.server.close()
  await database.close()
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

describe.each(WAYS)('V37: after %s', (_name, end) => {
  it('neither an access token that is cached nor the refresh token is served here any more', async () => {
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

  it('none of the access tokens of the session is, nor the previous refresh token', async () => {
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

  it('the access token is not served where it was not cached either', async () => {
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

  it('another process refuses the refresh token at once, and the access token with its next look', async () => {
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

  it('of a session that has ended by lying idle refuses its access tokens here', async () => {
    for (const target of ['sid', 'user']) {
      const [user, here] = [newUser(), start({ refreshTokenIdleSeconds: 60 })]
      const login = await logIn(here.app, user)
      clock.advance(60_000)
      await here.userData.revoke(target === 'sid' ? { sid: sidOf(login.refresh_token) } : user)
      expect((await getMe(here.app, login.access_token)).status, target).toBe(401)
    }
  })

  it('of what nobody has is no error', async () => {
    const { userData } = start()
    await userData.revoke('nobody')
    await userData.revoke({ sid: 'A'.repeat(22) })
    await userData.revoke({ sid: '' })
  })

  it('is told by the event `revoked`, with the id of the session or of the user', async () => {
    const [user, here] = [newUser(), start()]
    const events = recordEvents(here.userData)
    const login = await logIn(here.app, user)
    const sid = sidOf(login.refresh_token)
    await here.userData.revoke({ sid })
    await here.userData.revoke(user)
    expect(events.slice(1)).toEqual([
      { name: 'revoked', sid },
      { name: 'revoked', userId: user },
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
  const secondsNow = () => Math.floor(clock.now() / 1000)
  const token = (claims: object = {}) =>
    issuer.token({ iat: secondsNow(), exp: secondsNow() + 600, ...claims })
  const userId = () => `${issuer.server.origin}|alice`

  it('is refused with tokens that were issued before revoke(), and let in with later ones', async () => {
    const { app, userData } = start()
    const before = [token(), token({ iat: undefined }), token({ sid: 'theirs' })]
    for (const old of before) expect((await getMe(app, old)).status).toBe(200)
    clock.advance(1_000)
    await userData.revoke(userId())
    for (const old of before) expect((await getMe(app, old)).status).toBe(401)
    clock.advance(1_000)
    expect((await getMe(app, token())).status).toBe(200)
    for (const old of before) expect((await getMe(app, old)).status).toBe(401)
  })

  it('is another one than our own of the same name', async () => {
    const { app, userData } = start()
    const [ours, theirs] = [(await logIn(app)).access_token, token()]
    clock.advance(1_000)
    await userData.revoke('alice')
    expect((await getMe(app, ours)).status).toBe(401)
    expect((await getMe(app, theirs)).status).toBe(200)
  })

  it('is not refused because a session of ours that bears the name of theirs was revoked', async () => {
    const { app, userData } = start()
    const { refresh_token: ours } = await logIn(app)
    await userData.revoke({ sid: sidOf(ours) })
    expect((await getMe(app, token({ sid: sidOf(ours) }))).status).toBe(200)
  })
})

describe('the book of revocations', () => {
  const claims = (changes: object = {}) => ({ iss: ISSUER, sub: 'alice', aud: 'a', exp: 0, ...changes })

  it('keeps a session for as long as an access token of it may live, and not for ever', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 5_000 }, ISSUER, clock)
    book.revokeSession('one')
    clock.advance(999)
    book.revokeSession('two')
    expect(book.isRevoked('alice', claims({ sid: 'one' }))).toBe(true)
    clock.advance(1)
    book.revokeSession('three')
    expect(['one', 'two', 'three'].map(book.wasSessionEnded)).toEqual([false, true, true])
  })

  it('keeps what was revoked again for the whole time anew', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 1_000 }, ISSUER, clock)
    book.revokeSession('one')
    clock.advance(600)
    book.revokeSession('one')
    clock.advance(600)
    book.revokeSession('two')
    expect(book.wasSessionEnded('one')).toBe(true)
  })

  it('keeps each for its time and no more, however they come and after whatever pause', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 1_000 }, ISSUER, clock)
    const revokedAt: number[] = []
    for (const pause of [0, 400, 599, 1, 300, 700, 1_000, 5_000, 999, 1_001]) {
      clock.advance(pause)
      book.revokeSession(String(revokedAt.length))
      revokedAt.push(clock.monotonic())
      const alive = revokedAt.map(at => clock.monotonic() < at + 1_000)
      expect(revokedAt.map((_at, n) => book.wasSessionEnded(String(n)))).toEqual(alive)
    }
  })

  it('does not go by a wall clock that jumps', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 1_000 }, ISSUER, clock)
    book.revokeSession('one')
    clock.setWall(clock.now() + 3_600_000)
    book.revokeSession('two')
    expect(book.wasSessionEnded('one')).toBe(true)
  })

  it('does not let an older revocation of a user take the place of a newer one', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 1_000 }, ISSUER, clock)
    const iat = Math.floor(clock.now() / 1000) - 10
    book.revokeUser('alice')
    book.revokeUser('alice', clock.now() - 60_000)
    book.revokeUser('bob', clock.now() - 60_000)
    expect(book.isRevoked('alice', claims({ iss: 'another', iat }))).toBe(true)
    expect(book.isRevoked('bob', claims({ iss: 'another', iat }))).toBe(false)
  })

  it('knows nothing of a token without a session, nor of other users', () => {
    const book = createRevocations({ sessionMs: 1_000, userMs: 1_000 }, ISSUER, clock)
    book.revokeSession('one')
    book.revokeUser('alice')
    expect(book.isRevoked('alice', claims())).toBe(false)
    expect(book.isRevoked('bob', claims({ iss: 'another', iat: 0 }))).toBe(false)
    expect(book.isRevoked('alice', claims({ iss: 'another', iat: 0 }))).toBe(true)
  })
})
