import type { IssueTokensOptions } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let clock: ManualClock
beforeEach(async () => {
  clock = createManualClock()
  for (const name of ['custom_user_data', 'custom_user_data_sessions'])
    await database.db.collection(name).deleteMany()
})

const start = (options = {}) => createTestUserData(database, { clock, ...options })

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

describe('a session with rotateRefreshTokens: false', () => {
  it('keeps its refresh token, while other sessions of the instance rotate', async () => {
    const userData = start()
    const fixed = await userData.issueTokens('alice', { rotateRefreshTokens: false })
    const rotating = await userData.issueTokens('alice')
    const again = await userData.exchangeRefreshToken(fixed.refresh_token)
    expect(again.refresh_token).toBe(fixed.refresh_token)
    expect(again.access_token).not.toBe(fixed.access_token)
    const next = await userData.exchangeRefreshToken(rotating.refresh_token)
    expect(next.refresh_token).not.toBe(rotating.refresh_token)
  })

  it('is answered any number of times, also long after its first refresh', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice', { rotateRefreshTokens: false })
    for (let round = 0; round < 3; round++) {
      await letExchangesAge(database.db, 600_000)
      clock.advance(600_000)
      expect((await userData.exchangeRefreshToken(token)).refresh_token).toBe(token)
    }
  })

  it('moves the time without use, as a rotating session does', async () => {
    const userData = start({ refreshTokenIdleSeconds: 3_600 })
    const { refresh_token: token } = await userData.issueTokens('alice', { rotateRefreshTokens: false })
    for (let round = 0; round < 3; round++) {
      clock.advance(3_000_000)
      await userData.exchangeRefreshToken(token)
    }
    clock.advance(3_601_000)
    await expect(userData.exchangeRefreshToken(token)).rejects.toMatchObject({ code: 'invalid_grant' })
  })

  it('can rotate where the instance does not', async () => {
    const userData = start({ rotateRefreshTokens: false })
    const { refresh_token: token } = await userData.issueTokens('alice', { rotateRefreshTokens: true })
    const next = await userData.exchangeRefreshToken(token)
    expect(next.refresh_token).not.toBe(token)
    const { refresh_token: fixed } = await userData.issueTokens('alice')
    expect((await userData.exchangeRefreshToken(fixed)).refresh_token).toBe(fixed)
  })

  it('can be begun by authenticateLogin()', async () => {
    const userData = start()
    const login = {
      verifyCredentials: () => ({ id: 'alice' }),
      credentials: { email: 'alice@example.com' },
      rotateRefreshTokens: false,
      claims: { provider: 'password' },
    }
    const { refresh_token: token, access_token } = await userData.authenticateLogin(login)
    expect(claimsOf(access_token)).toMatchObject({ provider: 'password' })
    expect((await userData.exchangeRefreshToken(token)).refresh_token).toBe(token)
  })
})

describe('claims of a session', () => {
  const claims = { provider: 'api-key', type: 'server', level: 2, mfa: true }

  it('are in its access tokens, also after a refresh', async () => {
    const userData = start()
    const issued = await userData.issueTokens('alice', { claims })
    expect(claimsOf(issued.access_token)).toMatchObject(claims)
    const refreshed = await userData.exchangeRefreshToken(issued.refresh_token)
    expect(claimsOf(refreshed.access_token)).toMatchObject(claims)
    expect((await userData.verifyToken(refreshed.access_token)).claims).toMatchObject(claims)
  })

  it('that look like expressions of MongoDB are stored as they are', async () => {
    const userData = start()
    const odd = { provider: '$$NOW', type: '$userId' }
    const issued = await userData.issueTokens('alice', { claims: odd })
    const refreshed = await userData.exchangeRefreshToken(issued.refresh_token)
    expect(claimsOf(refreshed.access_token)).toMatchObject(odd)
  })

  it.each(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'sid', 'user_data', 'cnf', 'typ'])(
    'cannot be named "%s", which the package sets or checks itself',
    async name => {
      const userData = start()
      await expect(userData.issueTokens('alice', { claims: { [name]: 'x' } })).rejects.toThrow(
        `issueTokens(): option "claims": "${name}" is a claim that this package sets or checks itself: write another name`,
      )
    },
  )

  it.each([
    ['an object', { role: { name: 'x' } }],
    ['a list', { roles: ['x'] }],
    ['nothing', { role: null }],
    ['NaN', { level: NaN }],
    ['a long text', { note: 'x'.repeat(257) }],
    ['a text for the whole', 'admin'],
    ['a name with a dollar sign', { $where: 'x' }],
    ['a name with a dot', { 'a.b': 'x' }],
    ['too many members', Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`c${n}`, n]))],
  ])('cannot be %s', async (_what, given) => {
    const userData = start()
    const options = { claims: given } as unknown as IssueTokensOptions
    await expect(userData.issueTokens('alice', options)).rejects.toThrow(/issueTokens\(\): option "claims/)
  })
})

describe('sessionOf()', () => {
  it('gives the session of a current refresh token, with its claims', async () => {
    const userData = start()
    const claims = { provider: 'password' }
    const { refresh_token: token, access_token } = await userData.issueTokens('alice', { claims })
    const { sid } = claimsOf(access_token)
    expect(await userData.sessionOf(token)).toEqual({ userId: 'alice', sid, claims })
  })

  it('gives the session of a token that was exchanged just now', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice')
    await userData.exchangeRefreshToken(token)
    expect(await userData.sessionOf(token)).toMatchObject({ userId: 'alice', claims: {} })
  })

  it('changes nothing: the token can still be exchanged', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice')
    await userData.sessionOf(token)
    await expect(userData.exchangeRefreshToken(token)).resolves.toBeDefined()
  })

  it('is undefined for a token with the id of a session and an invented secret', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice')
    const [sid, generation, secret = '', seal] = token.split('.')
    const invented = [sid, generation, Array.from(secret).reverse().join(''), seal].join('.')
    expect(await userData.sessionOf(invented)).toBeUndefined()
  })

  it('is undefined for an old token, without ending the session as a theft', async () => {
    const userData = start()
    const { refresh_token: first } = await userData.issueTokens('alice')
    const second = await userData.exchangeRefreshToken(first)
    await userData.exchangeRefreshToken(second.refresh_token)
    await letExchangesAge(database.db, 600_000)
    expect(await userData.sessionOf(first)).toBeUndefined()
    expect(await userData.sessions('alice')).toHaveLength(1)
  })

  it.each([
    ['was logged out', (u: ReturnType<typeof start>, token: string) => u.endSession(token)],
    ['was revoked with all others', (u: ReturnType<typeof start>) => u.revoke('alice')],
    ['is of a disabled user', (u: ReturnType<typeof start>) => u.disable('alice')],
    ['was deleted', (u: ReturnType<typeof start>) => u.deleteSessions('alice')],
  ])('is undefined for a session that %s', async (_what, end) => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice')
    await end(userData, token)
    expect(await userData.sessionOf(token)).toBeUndefined()
  })

  it('is undefined for a session of another client', async () => {
    const { refresh_token: token } = await start({ clientId: 'mobile' }).issueTokens('alice')
    expect(await start({ clientId: 'web' }).sessionOf(token)).toBeUndefined()
  })

  it.each([
    ['a number', 7],
    ['an object', {}],
    ['null', null],
    ['an empty text', ''],
  ])('is undefined for %s, which is no refresh token', async (_what, token) => {
    expect(await start().sessionOf(token as never)).toBeUndefined()
  })
})

describe('reissue()', () => {
  it('gives a new access token of an open session, with a new snapshot and the claims of the session', async () => {
    const userData = start()
    const documents = database.db.collection('custom_user_data')
    await documents.insertOne({ userId: 'alice', n: 1 })
    const claims = { provider: 'password' }
    const issued = await userData.issueTokens('alice', { claims })
    await documents.updateOne({ userId: 'alice' }, { $set: { n: 2 } })
    const { sid } = claimsOf(issued.access_token)
    const answer = await userData.reissue({ userId: 'alice', sid: String(sid) })
    expect(answer).toEqual({
      access_token: expect.any(String) as string,
      token_type: 'Bearer',
      expires_in: 1_800,
      user: { id: 'alice', customData: expect.objectContaining({ n: 2 }) as object },
    })
    expect(claimsOf(answer.access_token)).toMatchObject({ sid, sub: 'alice', ...claims })
    expect((await userData.verifyToken(answer.access_token)).customData).toMatchObject({ n: 2 })
  })

  it('leaves the refresh token as it is', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice')
    const session = await userData.sessionOf(token)
    if (!session) throw new Error('There is no session.')
    await userData.reissue(session)
    await expect(userData.exchangeRefreshToken(token)).resolves.toBeDefined()
  })

  it("refuses another user's session", async () => {
    const userData = start()
    const { access_token } = await userData.issueTokens('alice')
    const sid = String(claimsOf(access_token)['sid'])
    await expect(userData.reissue({ userId: 'bob', sid })).rejects.toMatchObject({
      code: 'session_not_found',
    })
  })

  it.each([
    ['was logged out', (u: ReturnType<typeof start>, token: string) => u.endSession(token)],
    ['was revoked with all others', (u: ReturnType<typeof start>) => u.revoke('alice')],
    ['is of a disabled user', (u: ReturnType<typeof start>) => u.disable('alice')],
    ['was deleted', (u: ReturnType<typeof start>) => u.deleteSessions('alice')],
  ])('refuses a session that %s, here and in another process', async (_what, end) => {
    const userData = start()
    const other = start()
    const { refresh_token, access_token } = await userData.issueTokens('alice')
    const sid = String(claimsOf(access_token)['sid'])
    await end(userData, refresh_token)
    const expected = { code: 'session_not_found', status: 404 }
    await expect(userData.reissue({ userId: 'alice', sid })).rejects.toMatchObject(expected)
    await expect(other.reissue({ userId: 'alice', sid })).rejects.toMatchObject(expected)
  })

  it('refuses a session that nobody uses any more', async () => {
    const userData = start()
    const { access_token } = await userData.issueTokens('alice')
    const sid = String(claimsOf(access_token)['sid'])
    clock.advance(61 * 86_400_000)
    await expect(userData.reissue({ userId: 'alice', sid })).rejects.toMatchObject({
      code: 'session_not_found',
    })
  })

  it('refuses a session of another client', async () => {
    const { access_token } = await start({ clientId: 'mobile' }).issueTokens('alice')
    const sid = String(claimsOf(access_token)['sid'])
    await expect(start({ clientId: 'web' }).reissue({ userId: 'alice', sid })).rejects.toMatchObject({
      code: 'session_not_found',
    })
  })

  it.each([
    [{ userId: 'alice' }],
    [{ userId: 'alice', sid: 7 }],
    [{ userId: 'alice', sid: 'short' }],
    [{ userId: '', sid: 'a'.repeat(22) }],
    [{ userId: 'alice', sid: 'a'.repeat(22), extra: 1 }],
    ['alice'],
  ])('refuses the arguments %j, and says what to write', async given => {
    await expect(start().reissue(given as never)).rejects.toThrow(/reissue\(\)/)
  })
})

describe('a session with a life of its own', () => {
  const DAY_SECONDS = 86_400
  const LONG = { refreshTokenTtlSeconds: 365 * DAY_SECONDS, refreshTokenIdleSeconds: 90 * DAY_SECONDS }

  it('outlives the other sessions of the instance, as long as it is used', async () => {
    const userData = start({ refreshTokenTtlSeconds: 60 * DAY_SECONDS })
    const { refresh_token: token } = await userData.issueTokens('alice', {
      ...LONG,
      rotateRefreshTokens: false,
    })
    for (let round = 0; round < 4; round++) {
      clock.advance(80 * DAY_SECONDS * 1000)
      await userData.exchangeRefreshToken(token)
    }
    clock.advance(46 * DAY_SECONDS * 1000)
    await expect(userData.exchangeRefreshToken(token)).rejects.toMatchObject({ code: 'invalid_grant' })
  })

  it('ends when it is not used for its own time', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.issueTokens('alice', {
      ...LONG,
      rotateRefreshTokens: false,
    })
    clock.advance(91 * DAY_SECONDS * 1000)
    await expect(userData.exchangeRefreshToken(token)).rejects.toMatchObject({ code: 'invalid_grant' })
  })

  it('can be shorter than others, also from authenticateLogin()', async () => {
    const userData = start()
    const { refresh_token: token } = await userData.authenticateLogin({
      credentials: {},
      verifyCredentials: () => ({ id: 'alice' }),
      refreshTokenTtlSeconds: 1_800,
    })
    clock.advance(1_801_000)
    await expect(userData.exchangeRefreshToken(token)).rejects.toMatchObject({ code: 'invalid_grant' })
  })

  it.each<[IssueTokensOptions]>([
    [{ refreshTokenTtlSeconds: 10 }],
    [{ refreshTokenIdleSeconds: 0 }],
    [{ refreshTokenIdleSeconds: 1e12 }],
  ])('refuses a life that is too short or too long: %j', async options => {
    await expect(start().issueTokens('alice', options)).rejects.toThrow(/write a whole number/)
  })
})
