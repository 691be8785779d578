import express from 'express'
import type { Express } from 'express'
import { CustomUserDataError, OptionError } from 'express-custom-user-data'
import type { CustomUserDataOptions, Hooks, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { sendRaw } from '../support/http.js'
import { startIssuer } from '../support/key-server.js'
import { ODD_THROWS } from '../support/odd-throws.js'
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
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'hunter2 and more of it'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

const database = useDatabase()
let user: string
let users = 0
beforeEach(() => {
  user = `user-${users++}`
})

function start(hooks: Hooks = {}, options: Options = {}) {
  const userData = createTestUserData(database, { hooks, ...options })
  const verify = ({ email, password }: Record<string, unknown>) =>
    password === PASSWORD ? { id: String(email), role: 'admin' } : null
  const app = express().set('trust proxy', true).post('/login', userData.login(verify))
  return { app, userData, events: recordEvents(userData) }
}

const tryLogIn = (app: Express, password = PASSWORD) =>
  request(app).post('/login').send({ email: user, password })
const sessionsOf = (userId: string) =>
  database.db.collection('custom_user_data_sessions').countDocuments({ userId })

function expectWrong({ status, body, headers }: Response): void {
  const error_description = 'The credentials are wrong.'
  expect({ status, body: body as unknown }).toEqual({
    status: 401,
    body: { error: 'invalid_credentials', error_description },
  })
  expect(headers).not.toHaveProperty('www-authenticate')
}

describe('beforeLogin', () => {
  it('that returns false refuses like wrong credentials, and nothing is issued', async () => {
    for (const beforeLogin of [() => false, () => Promise.resolve(false)]) {
      const { app } = start({ beforeLogin })
      const answer = await tryLogIn(app)
      expectWrong(answer)
      expect(answer.text).toBe((await tryLogIn(app, 'wrong')).text)
      expect(await sessionsOf(user)).toBe(0)
    }
  })

  it.each([true, undefined, null, 0, '', 'false'])(
    'that returns anything else accepts the login: %j',
    async verdict => {
      expect((await tryLogIn(start({ beforeLogin: () => verdict }).app)).status).toBe(200)
    },
  )

  it('may throw an error of this package, which becomes the answer', async () => {
    const beforeLogin = () => {
      throw new CustomUserDataError('too_many_attempts', 'Your plan allows two devices.')
    }
    const answer = await tryLogIn(start({ beforeLogin }).app)
    expect(answer.status).toBe(429)
    expect(answer.body).toEqual({
      error: 'too_many_attempts',
      error_description: 'Your plan allows two devices.',
    })
    expect(await sessionsOf(user)).toBe(0)
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error(PASSWORD)
      },
    ],
    ['rejects', () => Promise.reject(new Error(PASSWORD))],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as hooks do
    ['rejects with nothing', () => Promise.reject(undefined)],
  ])('that %s is a 500 that does not reveal the reason', async (_name, beforeLogin) => {
    const answer = await tryLogIn(start({ beforeLogin }).app)
    expect(answer.status).toBe(500)
    expect(answer.body).toEqual({ error: 'server_error', error_description: 'The server is misconfigured' })
    expect(await sessionsOf(user)).toBe(0)
  })

  it('that never settles is a 503 after its time, and may still fail later', async () => {
    let fail: ((error: Error) => void) | undefined
    const beforeLogin = () => new Promise<never>((_resolve, reject) => (fail = reject))
    const answer = await tryLogIn(start({ beforeLogin }, { verifyCredentialsTimeoutMs: 30 }).app)
    expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    fail?.(new Error('too late'))
    expect(await sessionsOf(user)).toBe(0)
  })

  it('gets the user that verifyCredentials returned, and the request', async () => {
    const calls: unknown[] = []
    const { app } = start({ beforeLogin: (given, req) => calls.push(given, req?.path) })
    await tryLogIn(app)
    expect(calls).toEqual([{ id: user, role: 'admin' }, '/login'])
  })

  it('does not run for wrong credentials, nor for a disabled user', async () => {
    const { app, userData } = start({ beforeLogin: () => expect.unreachable() })
    expectWrong(await tryLogIn(app, 'wrong'))
    await userData.disable(user)
    expectWrong(await tryLogIn(app))
  })
})

describe('afterLogin', () => {
  it('runs after each login, with the user and the request, when the session is stored', async () => {
    const told = new Promise<unknown[]>(resolve => {
      const { app } = start({
        afterLogin: async (given, req) => {
          resolve([given, req?.path, await sessionsOf(user)])
        },
      })
      void tryLogIn(app).then(({ status }) => expect(status).toBe(200))
    })
    expect(await told).toEqual([{ id: user, role: 'admin' }, '/login', 1])
  })

  it.each<[string, () => unknown, string]>([
    [
      'throws',
      () => {
        throw new Error('the mailer is down')
      },
      'the mailer is down',
    ],
    ['rejects', () => Promise.reject(new Error('the mailer is down')), 'the mailer is down'],
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as hooks do
    ['rejects with a text', () => Promise.reject('down'), 'down'],
  ])('that %s is the event `hook_failed`, and the login succeeds', async (_name, afterLogin, message) => {
    const { app, userData } = start({ afterLogin })
    const failed = new Promise(resolve => userData.events.once('hook_failed', resolve))
    const answer = await tryLogIn(app)
    expect(answer.status).toBe(200)
    expect(await failed).toEqual({ hook: 'afterLogin', error: new Error(message) })
    expect((await refresh(createSessionApp(userData), tokensOf(answer).refresh_token)).status).toBe(200)
  })

  it('that never settles delays no answer', async () => {
    expect((await tryLogIn(start({ afterLogin: () => new Promise(() => undefined) }).app)).status).toBe(200)
  })

  it('does not run after a login that failed', async () => {
    const told: unknown[] = []
    const afterLogin = () => told.push('told')
    const refusing = start({ afterLogin, beforeLogin: () => false })
    await tryLogIn(refusing.app)
    const plain = start({ afterLogin }, { requireDocument: true })
    expectWrong(await tryLogIn(plain.app, 'wrong'))
    expect((await tryLogIn(plain.app)).status).toBe(403)
    await new Promise(resolve => setImmediate(resolve))
    expect(told).toEqual([])
  })
})

describe('a refusal', () => {
  const THROTTLE: Options = { loginThrottle: { accountAndAddressFailures: 2 } }

  it('by beforeLogin counts as a failure, and an error of the hook does not', async () => {
    const refusing = start({ beforeLogin: () => false }, THROTTLE)
    for (const status of [401, 401, 429]) expect((await tryLogIn(refusing.app)).status).toBe(status)
    user = `${user}-2`
    const failing = start({ beforeLogin: () => Promise.reject(new Error('down')) }, THROTTLE)
    for (let i = 0; i < 4; i++) expect((await tryLogIn(failing.app)).status).toBe(500)
  })

  it('of a disabled user counts as a failure, so that it cannot be told from a wrong password', async () => {
    const { app, userData } = start({}, THROTTLE)
    await userData.disable(user)
    for (const status of [401, 401, 429]) expect((await tryLogIn(app)).status).toBe(status)
  })

  it('is the same for an unknown account and a known one, also if it is throttled', async () => {
    const { app } = start({}, THROTTLE)
    const known = [await tryLogIn(app, 'wrong'), await tryLogIn(app, 'wrong'), await tryLogIn(app, 'wrong')]
    user = 'nobody'
    for (const { status, text, headers } of known) {
      const answer = await tryLogIn(app, 'wrong')
      expect({ status: answer.status, text: answer.text }).toEqual({ status, text })
      expect(Object.keys(answer.headers as object)).toEqual(Object.keys(headers as object))
    }
  })
})

describe('a login', () => {
  it('cannot be for the user of another issuer', async () => {
    const issuer = await startIssuer()
    user = `${issuer.server.origin}|alice`
    const { app } = start({}, { trustedIssuers: [issuer.option()] })
    expect(await tryLogIn(app)).toMatchObject({ status: 500, body: { error: 'server_error' } })
    expect(await sessionsOf(user)).toBe(0)
    await issuer.server.close()
  })

  it('is stored with the device and the address of the client', async () => {
    const { app, userData } = start()
    await tryLogIn(app).set({ 'User-Agent': 'curl/8.5.0', 'X-Forwarded-For': '::ffff:203.0.113.7' })
    expect(await userData.sessions(user)).toMatchObject([{ device: 'curl', address: '203.0.113.7' }])
  })

  it('is stored with a bounded device and address, in which control characters are escaped', async () => {
    const { app, userData, events } = start()
    const headers = (text: string) => [
      'User-Agent',
      text,
      'X-Forwarded-For',
      text,
      'Content-Type',
      'application/json',
    ]
    const send = (text: string, password: string) =>
      sendRaw(app, {
        method: 'POST',
        path: '/login',
        headers: headers(text),
        chunks: [JSON.stringify({ email: user, password })],
      })
    for (const text of ['x'.repeat(7_000), '\x9b31m']) {
      expect((await send(text, PASSWORD)).status).toBe(200)
      expect((await send(text, 'wrong')).status).toBe(401)
    }
    await userData.issueTokens(user, {
      device: `\x1b${'y'.repeat(12_000)}`,
      address: `\0${'y'.repeat(12_000)}`,
    })
    const long = 'x'.repeat(64)
    expect((await userData.sessions(user)).map(({ device, address }) => ({ device, address }))).toEqual([
      { device: `\\u{1b}${'y'.repeat(122)}`, address: `\\u{0}${'y'.repeat(59)}` },
      { device: '\\u{9b}31m', address: '\\u{9b}31m' },
      { device: long, address: long },
    ])
    expect(events.filter(({ name }) => name === 'login_refused').map(({ address }) => address)).toEqual([
      long,
      '\\u{9b}31m',
    ])
  })

  it('ASVS 7.2.4: begins a new session, and ends the session whose refresh token comes with it', async () => {
    const app = createSessionApp(createTestUserData(database))
    const first = await logIn(app, user)
    const other = await logIn(app, user)
    const answer = await request(app)
      .post('/login')
      .auth(first.access_token, { type: 'bearer' })
      .send({ user, refresh_token: first.refresh_token })
    expect(sidOf(tokensOf(answer).refresh_token)).not.toBe(sidOf(first.refresh_token))
    expect((await getMe(app, first.access_token)).status).toBe(401)
    expectInvalidGrant(await refresh(app, first.refresh_token))
    await exchange(app, other.refresh_token)
  })

  it('ends no session if it fails', async () => {
    const app = createSessionApp(createTestUserData(database))
    const { refresh_token: token } = await logIn(app, user)
    expect((await request(app).post('/login').send({ refresh_token: token })).status).toBe(401)
    await exchange(app, token)
  })
})

const OTHER_SECRET = 'another secret of sessions, 32 bytes or more'

function throwTooMany(): never {
  throw new CustomUserDataError('too_many_attempts', 'Your plan allows two logins a day.')
}

describe('events', () => {
  it.each<[string, string, Hooks, Options]>([
    ['beforeLogin returns false', 'invalid_credentials', { beforeLogin: () => false }, {}],
    ['createCustomData returns false', 'invalid_credentials', { createCustomData: () => false }, {}],
    [
      'createCustomData throws an error of this package',
      'forbidden',
      {
        createCustomData: () => {
          throw new CustomUserDataError('forbidden', 'No more users.')
        },
      },
      {},
    ],
    ['the user has no document', 'custom_data_missing', {}, { requireDocument: true }],
  ])('login_refused tells of a user who is refused: %s, with %s', async (_why, code, hooks, options) => {
    const { app, events } = start(hooks, options)
    expect([401, 403]).toContain((await tryLogIn(app)).status)
    expect(events.filter(({ name }) => name !== 'warning')).toEqual([
      { name: 'login_refused', code, accounts: [expect.any(String)], userId: user, address: '127.0.0.1' },
    ])
  })

  it('login_refused tells of credentials that verifyCredentials refuses by an error of this package', async () => {
    const userData = createTestUserData(database)
    const events = recordEvents(userData)
    const verify = () => {
      throw new CustomUserDataError('invalid_credentials', 'The code is wrong.')
    }
    const app = express().post('/login', userData.login(verify))
    expect((await tryLogIn(app)).status).toBe(401)
    const accounts = [expect.any(String)]
    expect(events).toEqual([
      { name: 'login_refused', code: 'invalid_credentials', accounts, address: '127.0.0.1' },
    ])
  })

  it.each<[string, Hooks]>([
    ['verifyCredentials', {}],
    ['beforeLogin', { beforeLogin: throwTooMany }],
    ['createCustomData', { createCustomData: throwTooMany }],
  ])('login_refused tells of too many attempts, if the code of the team says so: %s', async (name, hooks) => {
    const userData = createTestUserData(database, { hooks })
    const events = recordEvents(userData)
    const verify = name === 'verifyCredentials' ? throwTooMany : () => ({ id: user })
    const app = express().post('/login', userData.login(verify))
    expect((await tryLogIn(app)).status).toBe(429)
    expect(events.filter(event => event['name'] !== 'warning')).toMatchObject([
      { name: 'login_refused', code: 'too_many_attempts' },
    ])
  })

  it('a warning tells that a login could not end the session that it replaces, and the login succeeds', async () => {
    const before = createSessionApp(createTestUserData(database, { sessionSecrets: [OTHER_SECRET] }))
    const { refresh_token: first } = await logIn(before, user)
    const third = await exchange(before, await exchange(before, first))
    const userData = createTestUserData(database)
    const events = recordEvents(userData)
    const answer = await request(createSessionApp(userData))
      .post('/login')
      .send({ user, refresh_token: first })
    expect(answer.status).toBe(200)
    expect(events.filter(({ name }) => name === 'warning')).toEqual([
      {
        name: 'warning',
        code: 'session_not_removed',
        message: expect.stringContaining('could not end the session'),
      },
    ])
    expect(JSON.stringify(events)).not.toContain(first)
    await exchange(before, third)
  })

  it('login_refused does not tell of a failure of the server', async () => {
    const createCustomData = () => Promise.reject(new Error('the directory is down'))
    const { app, events } = start({ createCustomData })
    expect((await tryLogIn(app)).status).toBe(500)
    expect(events.filter(({ name }) => name === 'login_refused')).toEqual([])
  })

  it('ASVS 16.3.1, 16.3.3: tell each outcome with its ids, and never a token, a secret or a password', async () => {
    const afterLogin = () => Promise.reject(new Error('the mailer is down'))
    const { app, userData, events } = start(
      { afterLogin },
      { loginThrottle: { accountAndAddressFailures: 1 }, reuseToleranceSeconds: 0 },
    )
    const routes = createSessionApp(userData)
    const failed = new Promise(resolve => userData.events.once('hook_failed', resolve))
    const login = tokensOf(await tryLogIn(app))
    await failed
    const tokens = [login.access_token, login.refresh_token]
    tokens.push(await exchange(routes, tokens[1]!))
    tokens.push(await exchange(routes, tokens[1]!))
    tokens.push(await exchange(routes, tokens[2]!))
    await refresh(routes, tokens[1]!)
    await tryLogIn(app, `${PASSWORD} no`)
    await tryLogIn(app, `${PASSWORD} no`)
    const other = await userData.issueTokens(user)
    tokens.push(other.access_token, other.refresh_token)
    await logOut(routes, other.refresh_token)
    await userData.revoke(user)
    const ids = { userId: user, sid: sidOf(login.refresh_token) }
    const otherSid = sidOf(other.refresh_token)
    expect(events.filter(({ name }) => name !== 'warning')).toEqual([
      { name: 'login', ...ids, address: '127.0.0.1' },
      { name: 'hook_failed', hook: 'afterLogin', error: expect.any(Error) },
      { name: 'refreshed', ...ids },
      { name: 'replayed', ...ids, successorUsed: false },
      { name: 'refreshed', ...ids },
      { name: 'reuse_detected', ...ids, address: '127.0.0.1' },
      {
        name: 'login_refused',
        code: 'invalid_credentials',
        accounts: [userData.accountDigest(user)],
        address: '127.0.0.1',
      },
      {
        name: 'throttled',
        limit: 'account_and_address',
        accounts: [userData.accountDigest(user)],
        address: '127.0.0.1',
        retryAfterSeconds: expect.any(Number),
      },
      { name: 'login', userId: user, sid: otherSid, address: undefined },
      { name: 'revoked', by: 'logout', userId: user, sid: otherSid },
      { name: 'revoked', by: 'revoke', userId: user },
    ])
    const told = JSON.stringify(events)
    for (const token of tokens) {
      for (const part of [token, ...token.split('.').slice(2)]) expect(told).not.toContain(part)
    }
    expect(told).not.toContain(PASSWORD)
  })
})

it.each([{ beforeLogin: true }, { afterLogin: 'send a mail' }, { onLogin: () => undefined }])(
  'values that are not hooks are refused at creation: %j',
  hooks => {
    expect(() => start(hooks as never)).toThrow(OptionError)
  },
)

function tokensOf({ body }: Response): TokenAnswer<object> {
  return body as TokenAnswer<object>
}

describe('a hook that throws or rejects with an odd value', () => {
  it.each(ODD_THROWS)('after a login is the event hook_failed: $what', async ({ thrown }) => {
    for (const reject of [true, false]) {
      const afterLogin = () => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as hooks do
        if (reject) return Promise.reject(thrown)
        throw thrown
      }
      const { app, userData } = start({ afterLogin })
      const failed = new Promise(resolve => userData.events.once('hook_failed', resolve))
      expect((await tryLogIn(app)).status).toBe(200)
      expect(await failed).toEqual({ hook: 'afterLogin', error: expect.any(Error) })
    }
  })

  it.each(ODD_THROWS)('before a login is a 500 and the event request_failed: $what', async ({ thrown }) => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as hooks do
    const { app, userData, events } = start({ beforeLogin: () => Promise.reject(thrown) })
    const messages: string[] = []
    userData.events.on('request_failed', ({ message }) => messages.push(message))
    expect((await tryLogIn(app)).body).toMatchObject({ error: 'server_error' })
    expect(messages).toEqual([expect.stringMatching(/^beforeLogin failed\. Caused by /)])
    expect(events.filter(({ name }) => name === 'hook_failed')).toEqual([])
  })
})

describe('the id of a login', () => {
  const logInAs = (verify: () => unknown, hooks: Hooks = {}) => {
    const userData = createTestUserData(database, { hooks })
    const app = express().post('/login', userData.login(verify as never))
    return request(app).post('/login').send({ email: 'a' })
  }
  const idOf = ({ body }: Response) => (body as TokenAnswer).user.id

  it('is read once from the result of verifyCredentials', async () => {
    let reads = 0
    const verify = () => ({
      get id() {
        return reads++ === 0 ? user : 'mallory'
      },
    })
    expect(idOf(await logInAs(verify))).toBe(user)
    expect(reads).toBe(1)
  })

  it('stays when the hook beforeLogin changes the user', async () => {
    const told: unknown[] = []
    const beforeLogin = (given: { id: string }) => {
      given.id = 'mallory'
    }
    const afterLogin = (given: object) => told.push(given)
    expect(idOf(await logInAs(() => ({ id: user }), { beforeLogin, afterLogin }))).toBe(user)
    await expect.poll(() => told).toEqual([{ id: user }])
  })

  it('is right for each login if verifyCredentials returns one object for all', async () => {
    const shared = { id: '' }
    const userData = createTestUserData(database)
    const verify = ({ email }: Record<string, unknown>) => Object.assign(shared, { id: String(email) })
    const app = express().post('/login', userData.login(verify))
    const emails = ['alice', 'bob', 'alice', 'bob']
    const answers = await Promise.all(emails.map(email => request(app).post('/login').send({ email })))
    expect(answers.map(idOf)).toEqual(emails)
  })
})

describe('a Standard Schema of the body', () => {
  it('that never settles is a 503 after the time of verifyCredentials', async () => {
    const validate = () => new Promise<never>(() => undefined)
    const body = { '~standard': { version: 1, vendor: 'test', validate } } as const
    const userData = createTestUserData(database, { verifyCredentialsTimeoutMs: 20 })
    const app = express().post(
      '/login',
      userData.login(() => ({ id: user }), { body }),
    )
    expect((await tryLogIn(app)).body).toMatchObject({ error: 'temporarily_unavailable' })
  })
})
