import { CustomUserDataError } from 'express-custom-user-data'
import type { CustomUserDataOptions, Hooks } from 'express-custom-user-data'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { createSessionApp, getMe, recordEvents, refresh, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'the right password'
const ADDRESS = '203.0.113.7'

const database = useDatabase()
let user: string
let users = 0
beforeEach(() => {
  user = `user-${users++}`
})

const verifyCredentials = ({ email, password }: Record<string, unknown>) =>
  password === PASSWORD ? { id: String(email), role: 'admin' } : null

function start(options: Partial<CustomUserDataOptions<Record<string, unknown>>> = {}) {
  const userData = createTestUserData(database, options)
  const refusedRefreshes: unknown[] = []
  userData.events.on('refresh_refused', event => refusedRefreshes.push(event))
  const logIn = (given: object = {}, password = PASSWORD) =>
    userData.authenticateLogin({ verifyCredentials, credentials: { email: user, password }, ...given })
  return {
    userData,
    app: createSessionApp(userData),
    events: recordEvents(userData),
    refusedRefreshes,
    logIn,
  }
}

const sessionOf = (userId: string) => database.db.collection('custom_user_data_sessions').findOne({ userId })
const afterAllHooks = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

describe('authenticateLogin()', () => {
  it('resolves to the body of the route, and its tokens work at the routes', async () => {
    const { app, logIn } = start()
    const answer = await logIn()
    expect(answer).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 1800,
      refresh_token: expect.any(String),
      user: { id: user, customData: {} },
    })
    expect((await getMe(app, answer.access_token)).body).toMatchObject({ id: user })
    expect((await refresh(app, answer.refresh_token)).status).toBe(200)
  })

  it('stores the device and the address that it is given, and emits the event of a login', async () => {
    const { events, logIn } = start()
    const { refresh_token } = await logIn({ address: `::ffff:${ADDRESS}`, device: 'Firefox on Linux' })
    expect(await sessionOf(user)).toMatchObject({ address: ADDRESS, device: 'Firefox on Linux' })
    expect(events).toEqual([{ name: 'login', userId: user, sid: sidOf(refresh_token), address: ADDRESS }])
  })

  it('gives the refresh token also where the routes set a cookie', async () => {
    const { logIn } = start({ refreshTokenTransport: 'cookie' })
    expect((await logIn()).refresh_token).toEqual(expect.any(String))
  })

  it('rejects wrong credentials with the error of the route, and emits the same event', async () => {
    const { events, logIn, userData } = start()
    const failure = logIn({ address: ADDRESS }, 'wrong')
    await expect(failure).rejects.toThrow(CustomUserDataError)
    await expect(failure).rejects.toMatchObject({ code: 'invalid_credentials', status: 401 })
    const accounts = [userData.accountDigest(user)]
    expect(events).toEqual([
      { name: 'login_refused', code: 'invalid_credentials', accounts, address: ADDRESS },
    ])
  })

  it.each([
    ['an object in a field', { email: { $gt: '' }, password: PASSWORD }, 'invalid_request'],
    ['a text', 'alice', 'invalid_request'],
    ['a list', ['alice', PASSWORD], 'invalid_request'],
    ['null', null, 'invalid_request'],
    ['nothing', undefined, 'invalid_request'],
    ['bytes', Buffer.alloc(25_000_000), 'invalid_request'],
    ['bytes in a field', { email: new ArrayBuffer(25_000_000) }, 'invalid_request'],
    ['a long text', { email: 'a', password: 'p'.repeat(102_400) }, 'payload_too_large'],
    ['long names', { ['n'.repeat(102_400)]: 1 }, 'payload_too_large'],
    [
      'too many fields',
      Object.fromEntries(Array.from({ length: 5_001 }, (_, n) => [n, 0])),
      'payload_too_large',
    ],
  ])(
    'refuses credentials of the wrong form before they are checked: %s',
    async (_what, credentials, code) => {
      const { userData } = start()
      const failure = userData.authenticateLogin({
        verifyCredentials: () => expect.unreachable(),
        credentials,
      })
      await expect(failure).rejects.toMatchObject({ code })
    },
  )

  it('needs the credentials to be named, whatever their value', async () => {
    const { userData } = start()
    const failure = userData.authenticateLogin({ verifyCredentials } as never)
    await expect(failure).rejects.toThrow(
      /option "credentials": give the fields of the login as the client sent them/,
    )
  })

  it.each([undefined, null, ''])(
    'replaces no session for the refresh token %j',
    async replacedRefreshToken => {
      const { userData, logIn } = start()
      await logIn()
      await logIn({ replacedRefreshToken })
      expect(await userData.sessions(user)).toHaveLength(2)
    },
  )

  it('takes nested credentials that a schema accepts, and gives its output to verifyCredentials', async () => {
    const { userData } = start()
    const schema = z.object({ who: z.object({ email: z.string() }) })
    const logIn = (credentials: unknown) =>
      userData.authenticateLogin({ schema, credentials, verifyCredentials: ({ who }) => ({ id: who.email }) })
    expect((await logIn({ who: { email: user } })).user.id).toBe(user)
    await expect(logIn({ who: user })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('gives no request to verifyCredentials and to hooks, but the client to hooks', async () => {
    const told: unknown[] = []
    const tell =
      (name: string) =>
      (...args: unknown[]): void => {
        told.push([name, ...args])
      }
    const hooks: Hooks = {
      beforeLogin: tell('beforeLogin'),
      createCustomData: tell('createCustomData'),
      afterLogin: tell('afterLogin'),
      afterRefresh: tell('afterRefresh'),
      afterLogout: tell('afterLogout'),
    }
    const { userData, logIn } = start({ hooks })
    const client = { address: ADDRESS, device: 'Safari on iPhone' }
    const { refresh_token } = await logIn({
      ...client,
      verifyCredentials: (...args: unknown[]) => {
        tell('verifyCredentials')(...args)
        return { id: user }
      },
    })
    await userData.exchangeRefreshToken(refresh_token, { address: ADDRESS })
    await userData.endSession(refresh_token)
    await afterAllHooks()
    expect(told).toEqual([
      ['verifyCredentials', { email: user, password: PASSWORD }, undefined],
      ['beforeLogin', { id: user }, undefined, client],
      ['createCustomData', { id: user }, undefined, client],
      ['afterLogin', { id: user }, undefined, client],
      ['afterRefresh', { id: user }, undefined, { address: ADDRESS, device: null }],
      ['afterLogout', { id: user }, undefined, { address: null, device: null }],
    ])
  })

  it('shares its counts of failures with the route, and rejects with the time to wait', async () => {
    const { logIn, events } = start({
      loginThrottle: { accountAndAddressFailures: 1 },
      sessionSecrets: undefined,
    })
    await expect(logIn({ address: ADDRESS }, 'wrong')).rejects.toMatchObject({ code: 'invalid_credentials' })
    await expect(logIn({ address: ADDRESS })).rejects.toMatchObject({
      code: 'too_many_attempts',
      headers: { 'Retry-After': expect.any(String) },
    })
    await expect(logIn({ address: '203.0.113.8' })).resolves.toBeDefined()
    expect(events.map(({ name }) => name)).toEqual(['login_refused', 'throttled', 'login'])
  })

  it.each([undefined, null, ''])(
    'throttles the account alone if it has no address, and warns once: %j',
    async address => {
      const { logIn, events, userData } = start({
        loginThrottle: { accountAndAddressFailures: 1, addressFailures: 1 },
        sessionSecrets: undefined,
      })
      await expect(logIn({ address }, 'wrong')).rejects.toMatchObject({ code: 'invalid_credentials' })
      await expect(logIn({ address })).rejects.toMatchObject({ code: 'too_many_attempts' })
      const credentials = { email: `${user}-other`, password: PASSWORD }
      await userData.authenticateLogin({ verifyCredentials, credentials, address })
      const warnings = events.filter(({ name }) => name === 'warning')
      expect(warnings).toMatchObject([{ code: 'login_address_unknown' }])
      expect(warnings[0]!['message']).toContain('authenticateLogin({ address, … })')
    },
  )

  it('ends the session whose refresh token the client held so far', async () => {
    const { app, logIn } = start()
    const { refresh_token: replacedRefreshToken } = await logIn()
    const { refresh_token } = await logIn({ replacedRefreshToken })
    expect((await refresh(app, replacedRefreshToken)).status).toBe(400)
    expect((await refresh(app, refresh_token)).status).toBe(200)
    await expect(logIn({ replacedRefreshToken: 7 })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('takes passwordCredentials(), which needs no request', async () => {
    const { userData } = start()
    const byPassword = userData.passwordCredentials({ collection: database.db.collection('users') })
    const credentials = { email: user, password: PASSWORD }
    const failure = userData.authenticateLogin({ verifyCredentials: byPassword, credentials })
    await expect(failure).rejects.toMatchObject({ code: 'invalid_credentials' })
  })
})

describe('exchangeRefreshToken()', () => {
  it('resolves to new tokens, and tells the events of the route', async () => {
    const { app, logIn, events, userData } = start()
    const { refresh_token } = await logIn()
    const sid = sidOf(refresh_token)
    const tokens = await userData.exchangeRefreshToken(refresh_token)
    expect(tokens.refresh_token).not.toBe(refresh_token)
    expect((await getMe(app, tokens.access_token)).status).toBe(200)
    const again = await userData.exchangeRefreshToken(refresh_token)
    expect(again.refresh_token).toBe(tokens.refresh_token)
    expect(events.slice(1)).toEqual([
      { name: 'refreshed', userId: user, sid },
      { name: 'replayed', userId: user, sid, successorUsed: false },
    ])
  })

  it('ends the session of a token that was used too long ago, with the address in the event', async () => {
    const { logIn, events, userData } = start()
    const { refresh_token: first } = await logIn()
    const { refresh_token: second } = await userData.exchangeRefreshToken(first)
    await userData.exchangeRefreshToken(second)
    await letExchangesAge(database.db, 31_000)
    const failure = userData.exchangeRefreshToken(first, { address: ADDRESS })
    await expect(failure).rejects.toMatchObject({ code: 'invalid_grant', status: 400 })
    expect(events.at(-1)).toEqual({
      name: 'reuse_detected',
      userId: user,
      sid: sidOf(first),
      address: ADDRESS,
    })
  })

  it.each([undefined, null, '', 7, { $gt: '' }, 'x'.repeat(1_025)])(
    'rejects a value that is no refresh token as the route does: %j',
    async given => {
      const { userData } = start()
      const failure = userData.exchangeRefreshToken(given as string)
      await expect(failure).rejects.toMatchObject({ code: 'invalid_request', status: 400 })
      await expect(userData.endSession(given as string)).rejects.toMatchObject({ code: 'invalid_request' })
    },
  )

  it('tells of a refused token by an event, and rejects with the one error of the route', async () => {
    const { userData, refusedRefreshes } = start()
    const failure = userData.exchangeRefreshToken('nonsense', { address: ADDRESS })
    await expect(failure).rejects.toMatchObject({ code: 'invalid_grant' })
    expect(refusedRefreshes).toEqual([{ reason: 'unknown', sid: undefined, address: ADDRESS }])
  })

  it('shares with the routes the limit of tokens from one address that nobody issued', async () => {
    const { userData } = start({ loginThrottle: { addressFailures: 1 }, sessionSecrets: undefined })
    const madeUp = `${'a'.repeat(22)}.0.${'b'.repeat(43)}.${'c'.repeat(22)}`
    const from = { address: ADDRESS }
    await expect(userData.exchangeRefreshToken(madeUp, from)).rejects.toMatchObject({ code: 'invalid_grant' })
    await expect(userData.endSession(madeUp, from)).rejects.toMatchObject({ code: 'too_many_attempts' })
    await expect(userData.endSession(madeUp)).resolves.toBeUndefined()
  })
})

describe('endSession()', () => {
  it('ends the session of a refresh token, and does not fail if it was over', async () => {
    const { app, logIn, events, userData } = start()
    const { refresh_token, access_token } = await logIn()
    await userData.endSession(refresh_token)
    await userData.endSession(refresh_token)
    await userData.endSession('nonsense')
    expect((await refresh(app, refresh_token)).status).toBe(400)
    expect((await getMe(app, access_token)).status).toBe(401)
    const ended = events.filter(({ name }) => name === 'revoked')
    expect(ended).toEqual([{ name: 'revoked', by: 'logout', userId: user, sid: sidOf(refresh_token) }])
  })
})
