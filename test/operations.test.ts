import express from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { recordMessages } from './support/channels.js'
import { createManualClock } from './support/clock.js'
import type { ManualClock } from './support/clock.js'
import { useDatabase } from './support/database.js'
import { holdDeadlines } from './support/deadlines.js'
import { createTestUserData } from './support/user-data.js'

const PASSWORD = 'the right password'

holdDeadlines()
const database = useDatabase()
let clock: ManualClock
let user: string
let users = 0
beforeEach(() => {
  clock = createManualClock()
  user = `user-${++users}`
})

/** Checking the credentials takes 40 ms, and nothing else takes time. */
function verify({ password }: Readonly<Record<string, unknown>>) {
  clock.advance(40)
  if (password === 'broken') throw new Error('broken')
  return password === PASSWORD ? { id: user } : null
}

function start(options: Parameters<typeof createTestUserData>[1] = {}) {
  const userData = createTestUserData(database, { clock, ...options })
  userData.events.on('request_failed', () => undefined)
  const app = express()
    .post('/login', userData.login(verify))
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .use('/logout-all', userData.authenticate(), userData.logoutAll())
    .use(userData.errorHandler())
  const post = (path: string, body: object) => request(app).post(path).send(body)
  const logIn = (password = PASSWORD) => post('/login', { email: user, password })
  const authenticate = (password = PASSWORD) =>
    userData.authenticateLogin({ verifyCredentials: verify, credentials: { email: user, password } })
  return { userData, app, post, logIn, authenticate, messages: recordMessages('operation') }
}

const SUCCESS = { collection: 'custom_user_data', code: undefined, status: undefined }

describe('the channel operation', () => {
  it('tells of each login, refresh and logout by a route: its user, its start and its time', async () => {
    const { userData, app, post, logIn, messages } = start()
    const startTime = clock.now()
    const { body } = await logIn().expect(200)
    const next = await post('/refresh', { refresh_token: body.refresh_token }).expect(200)
    await post('/logout', { refresh_token: next.body.refresh_token }).expect(204)
    const { access_token } = await userData.issueTokens(user)
    await request(app).post('/logout-all').auth(access_token, { type: 'bearer' }).expect(204)
    expect(messages.map(({ message }) => message)).toEqual([
      { ...SUCCESS, name: 'login', userId: user, startTime, ms: 40 },
      { ...SUCCESS, name: 'refresh', userId: user, startTime: startTime + 40, ms: 0 },
      { ...SUCCESS, name: 'logout', userId: undefined, startTime: startTime + 40, ms: 0 },
      { ...SUCCESS, name: 'issueTokens', userId: user, startTime: startTime + 40, ms: 0 },
      { ...SUCCESS, name: 'logoutAll', userId: undefined, startTime: startTime + 40, ms: 0 },
    ])
  })

  it('tells of each function that does the same without a route', async () => {
    const { userData, authenticate, messages } = start()
    const startTime = clock.now()
    const { refresh_token } = await authenticate()
    const next = await userData.exchangeRefreshToken(refresh_token)
    await userData.endSession(next.refresh_token)
    const { refresh_token: token } = await userData.issueTokens(user)
    await userData.reissue((await userData.sessionOf(token))!)
    const later = { startTime: startTime + 40, ms: 0 }
    expect(messages.map(({ message }) => message)).toEqual([
      { ...SUCCESS, name: 'authenticateLogin', userId: user, startTime, ms: 40 },
      { ...SUCCESS, name: 'exchangeRefreshToken', userId: user, ...later },
      { ...SUCCESS, name: 'endSession', userId: undefined, ...later },
      { ...SUCCESS, name: 'issueTokens', userId: user, ...later },
      { ...SUCCESS, name: 'reissue', userId: user, ...later },
    ])
  })

  it('tells the code and the status of each operation that fails', async () => {
    const { userData, app, post, logIn, authenticate, messages } = start({
      loginThrottle: { accountAndAddressFailures: 1 },
      sessionSecrets: undefined,
    })
    await logIn('broken').expect(500)
    await logIn('wrong').expect(401)
    await logIn().expect(429)
    await post('/login', { email: { $ne: null } }).expect(400)
    const { access_token } = await userData.issueTokens(user)
    await request(app).put('/logout-all').auth(access_token, { type: 'bearer' }).expect(405)
    await post('/refresh', { refresh_token: 'unknown' }).expect(400)
    await authenticate('broken').catch(() => undefined)
    await userData.exchangeRefreshToken('unknown').catch(() => undefined)
    await userData.endSession('').catch(() => undefined)
    const failed = messages.filter(({ message }) => message['name'] !== 'issueTokens')
    expect(failed.map(({ message: { name, code, status } }) => [name, status, code].join(' '))).toEqual([
      'login 500 callback_failed',
      'login 401 invalid_credentials',
      'login 429 too_many_attempts',
      'login 400 invalid_request',
      'logoutAll 405 method_not_allowed',
      'refresh 400 invalid_grant',
      'authenticateLogin 500 callback_failed',
      'exchangeRefreshToken 400 invalid_grant',
      'endSession 400 invalid_request',
    ])
  })

  it('tells of no call with wrong arguments, because nothing was tried', async () => {
    const { userData, messages } = start()
    await expect(userData.issueTokens(5 as never)).rejects.toThrow(TypeError)
    await expect(userData.authenticateLogin({} as never)).rejects.toThrow(TypeError)
    await expect(userData.exchangeRefreshToken('a', { adress: 'b' } as never)).rejects.toThrow(TypeError)
    expect(messages).toEqual([])
    expect(userData.stats().operations.issueTokens).toEqual({})
  })
})

describe('stats()', () => {
  it('counts operations by their name and their result', async () => {
    const { userData, post, logIn } = start()
    const { body } = await logIn().expect(200)
    await logIn().expect(200)
    for (const password of ['wrong', 'wrong', 'broken']) await logIn(password)
    await post('/refresh', { refresh_token: body.refresh_token }).expect(200)
    await post('/refresh', { refresh_token: 'unknown' }).expect(400)
    await userData.issueTokens(user)
    expect(userData.stats().operations).toEqual({
      login: { ok: 2, invalid_credentials: 2, callback_failed: 1 },
      authenticateLogin: {},
      issueTokens: { ok: 1 },
      reissue: {},
      refresh: { ok: 1, invalid_grant: 1 },
      exchangeRefreshToken: {},
      logout: {},
      logoutAll: {},
      endSession: {},
    })
  })

  it('counts throttled logins and refresh tokens by the limit that was reached', async () => {
    const { userData, post, logIn } = start({
      loginThrottle: { accountAndAddressFailures: 1, addressFailures: 10 },
      sessionSecrets: undefined,
    })
    await logIn('wrong').expect(401)
    await logIn('wrong').expect(429)
    const madeUp = (n: number) => ({
      refresh_token: `${'a'.repeat(22)}.${n}.${'b'.repeat(43)}.${'c'.repeat(22)}`,
    })
    for (let n = 0; n < 12; n++) await post('/refresh', madeUp(n))
    const attempt = { account: `reset:${user}`, address: '203.0.113.9' }
    await userData.countAttempt(attempt)
    await expect(userData.countAttempt(attempt)).rejects.toMatchObject({ status: 429 })
    expect(userData.stats().throttled).toEqual({ account_and_address: 2, refresh_tokens: 2 })
    expect(userData.stats().events.throttled).toBe(4)
  })

  it('counts each event by its name, also failures that are only printed', async () => {
    const afterLogin = () => {
      throw new Error('no mail')
    }
    const userData = createTestUserData(database, { hooks: { afterLogin } })
    const app = express().post('/login', userData.login(verify))
    const printed: unknown[] = []
    const onWarning = (warning: Error): void => void printed.push(warning.name)
    process.on('warning', onWarning)
    for (const password of [PASSWORD, 'wrong', 'broken'])
      await request(app).post('/login').send({ email: user, password })
    await expect.poll(() => userData.stats().events.hook_failed).toBe(1)
    await expect.poll(() => printed.length).toBe(2)
    process.off('warning', onWarning)
    const { events } = userData.stats()
    expect(events).toMatchObject({
      login: 1,
      login_refused: 1,
      request_failed: 1,
      hook_failed: 1,
      revoked: 0,
    })
  })
})
