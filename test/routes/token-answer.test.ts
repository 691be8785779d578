import express from 'express'
import type { Express, Request } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type { AnswerTokens, CustomUserDataOptions, RequestFailedEvent } from 'express-custom-user-data'
import request from 'supertest'
import type { Response, Test } from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { recordEvents, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

type Data = Readonly<Record<string, unknown>>
type Answer = (tokens: AnswerTokens<Data>, req: Request) => unknown

const database = useDatabase()
let user: string
let users = 0
beforeEach(() => {
  user = `user-${users++}`
})

/** An app whose clients expect the names of another package, and whose `answer` a test can replace. */
function start(
  answer: { now: Answer },
  options: Partial<CustomUserDataOptions<Record<string, unknown>>> = {},
) {
  const userData = createTestUserData(database, options)
  const failures: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failures.push(event))
  const call: Answer = (tokens, req) => answer.now(tokens, req)
  const verify = ({ email }: Record<string, unknown>) => ({ id: String(email) })
  const app = express()
    .post('/login', userData.login(verify, { answer: call }))
    .post('/refresh', userData.refresh({ answer: call }))
    .post('/plain-refresh', userData.refresh())
    .get('/me', userData.authenticate(), (req, res) => res.json(userData.user(req).id))
    .use(userData.errorHandler())
  return { app, userData, failures, events: recordEvents(userData) }
}

const logIn = (app: Express): Test => request(app).post('/login').send({ email: user })
const refresh = (app: Express, refresh_token: string, path = '/refresh'): Test =>
  request(app).post(path).send({ refresh_token })
const aliveSessions = () =>
  database.db.collection('custom_user_data_sessions').countDocuments({ userId: user, revokedAt: null })

const camelCase: Answer = ({ access_token, refresh_token, user: { id } }) => ({
  id,
  accessToken: access_token,
  refreshToken: refresh_token,
})

function expectFailed({ status, body, headers }: Response): void {
  expect({ status, error: (body as { error?: unknown }).error }).toEqual({
    status: 500,
    error: 'server_error',
  })
  expect(headers).toMatchObject({ 'cache-control': 'no-store' })
  expect(headers).not.toHaveProperty('set-cookie')
}

describe('answer of login() and refresh()', () => {
  it('returns the body, or a promise of it, of an answer that no cache keeps', async () => {
    for (const now of [camelCase, async (...args: Parameters<Answer>) => camelCase(...args)] as Answer[]) {
      const { app } = start({ now })
      const login = await logIn(app)
      const refreshed = await refresh(app, login.body.refreshToken as string)
      for (const { status, body, headers } of [login, refreshed]) {
        const token = expect.any(String) as unknown
        expect({ status, body: body as unknown }).toEqual({
          status: 200,
          body: { id: user, accessToken: token, refreshToken: token },
        })
        expect(headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' })
      }
      expect((await request(app).get('/me').auth(refreshed.body.accessToken, { type: 'bearer' })).body).toBe(
        user,
      )
    }
  })

  it.each(['a text', 7, null, ['a list'], false])(
    'may return any value that JSON can express: %j',
    async body => {
      expect((await logIn(start({ now: () => body }).app)).text).toBe(JSON.stringify(body))
    },
  )

  it('gets the request, when the headers and cookies of the answer are set', async () => {
    const seen: unknown[] = []
    const now: Answer = (_tokens, req) => {
      seen.push(req.path, req.res?.getHeader('Cache-Control'), String(req.res?.getHeader('Set-Cookie')))
      return {}
    }
    const { app } = start({ now }, { refreshTokenTransport: 'cookie' })
    await logIn(app)
    expect(seen).toEqual(['/login', 'no-store', expect.stringMatching(/^__Host-refresh_token_/)])
  })

  it('does not get a refresh token that is sent as a cookie', async () => {
    const { app } = start({ now: tokens => Object.keys(tokens) }, { refreshTokenTransport: 'cookie' })
    const answer = await logIn(app)
    expect(answer.body).toEqual(['access_token', 'token_type', 'expires_in', 'user'])
    expect(answer.headers['set-cookie']).toHaveLength(1)
  })
})

const thrown = new Error('no template')
const FAILING: readonly (readonly [string, Answer])[] = [
  [
    'throws',
    () => {
      throw thrown
    },
  ],
  ['rejects', () => Promise.reject(thrown)],
  [
    'throws a refusal',
    () => {
      throw new CustomUserDataError('forbidden')
    },
  ],
  ['returns undefined', () => undefined],
  ['returns a function', () => () => ({})],
  ['returns a bigint', () => ({ id: 1n })],
]

describe('the setting "json replacer" of the app', () => {
  it('may express values that have no JSON', async () => {
    const { app } = start({ now: () => ({ id: 1n }) })
    app.set('json replacer', (_name: string, value: unknown) => (typeof value === 'bigint' ? '1n' : value))
    const answer = await logIn(app)
    expect(answer).toMatchObject({ status: 200, body: { id: '1n' } })
    expect(await aliveSessions()).toBe(1)
  })

  it.each(['/login', '/plain-login'])('that throws leaves no session at %s', async path => {
    const { app, userData, failures, events } = start({ now: () => ({ id: 1 }) })
    app.post(
      '/plain-login',
      userData.login(({ email }) => ({ id: String(email) })),
    )
    app.set('json replacer', (name: string, value: unknown) => {
      if (name === 'id') throw new Error('no ids')
      return value
    })
    expectFailed(await request(app).post(path).send({ email: user }))
    expect(failures).toMatchObject([{ code: 'callback_failed' }])
    expect(await aliveSessions()).toBe(0)
    expect(events).toEqual([])
  })
})

describe('if the answer of a login', () => {
  it.each(FAILING)('%s, the answer is 500 with an event, and the session ends', async (_what, now) => {
    const { app, failures, events } = start({ now })
    expectFailed(await logIn(app))
    expect(failures).toMatchObject([{ code: 'callback_failed', status: 500, route: 'POST /login' }])
    expect(await aliveSessions()).toBe(0)
    expect(events).toEqual([])
  })

  it('fails, the tokens work nowhere and are in no event', async () => {
    let given: AnswerTokens<Data> | undefined
    const now: Answer = tokens => {
      given = tokens
      throw new Error(`cannot render ${JSON.stringify(tokens)}`)
    }
    const { app, failures } = start({ now })
    expectFailed(await logIn(app))
    const { access_token = '', refresh_token = '' } = given!
    expect((await request(app).get('/me').auth(access_token, { type: 'bearer' })).status).toBe(401)
    expect((await refresh(app, refresh_token, '/plain-refresh')).status).toBe(400)
    expect(JSON.stringify(failures)).not.toMatch(new RegExp(`${access_token}|${refresh_token}`))
  })

  it('fails, no cookie is set, and the session that the login would replace stays', async () => {
    const answer = { now: camelCase }
    const { app } = start(answer, { refreshTokenTransport: 'cookie' })
    const [cookie = ''] = (await logIn(app)).headers['set-cookie'] as unknown as string[]
    const send = (path: string) =>
      request(app).post(path).set('Cookie', cookie.split(';', 1)).send({ email: user })
    answer.now = () => undefined
    expectFailed(await send('/login'))
    expect((await send('/plain-refresh')).status).toBe(200)
  })

  it('fails, this does not count as a failed login', async () => {
    const answer: { now: Answer } = { now: () => undefined }
    const options = { loginThrottle: { accountAndAddressFailures: 1 }, sessionSecrets: undefined }
    const { app } = start(answer, options)
    for (let attempt = 0; attempt < 5; attempt++) expectFailed(await logIn(app))
    answer.now = camelCase
    expect((await logIn(app)).status).toBe(200)
  })

  it('ends the response, the session ends and an event says so', async () => {
    const now: Answer = (tokens, req) => {
      req.res?.json(tokens)
    }
    const { app, failures } = start({ now })
    const { access_token } = (await logIn(app)).body as { access_token: string }
    await expect.poll(() => failures).toMatchObject([{ code: 'callback_failed' }])
    expect(failures[0]!.message).toContain('login(): the request was answered already')
    await expect.poll(aliveSessions).toBe(0)
    expect((await request(app).get('/me').auth(access_token, { type: 'bearer' })).status).toBe(401)
  })

  it('takes too long, the answer is 503 and the session ends', async () => {
    const { app } = start({ now: () => new Promise(() => undefined) }, { verifyCredentialsTimeoutMs: 200 })
    const { status, body } = await logIn(app)
    expect({ status, body: body as unknown }).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
    })
    expect(await aliveSessions()).toBe(0)
  })

  it('meets a MongoDB that is away, its 503 is the answer', async () => {
    const now: Answer = () => Promise.reject(new CustomUserDataError('custom_data_unavailable'))
    const answer = await logIn(start({ now }).app)
    expect(answer.status).toBe(503)
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
  })
})

describe('if the answer of a refresh', () => {
  it.each(FAILING)('%s, the old refresh token gets the same successor again', async (_what, now) => {
    const answer = { now: camelCase }
    const { app, failures, userData } = start(answer)
    const first = (await logIn(app)).body.refreshToken as string
    let successor: string | undefined
    answer.now = (tokens, req) => {
      successor = tokens.refresh_token
      return now(tokens, req)
    }
    expectFailed(await refresh(app, first))
    expect(failures).toMatchObject([{ code: 'callback_failed', route: 'POST /refresh' }])
    answer.now = camelCase
    const again = await refresh(app, first)
    expect(again.body).toMatchObject({ refreshToken: successor })
    expect(await userData.sessions(user)).toMatchObject([{ sid: sidOf(first) }])
  })

  it('fails, the hook after a refresh does not run, and the browser keeps its cookie', async () => {
    const told: unknown[] = []
    const answer = { now: camelCase }
    const hooks = { afterRefresh: (given: unknown) => told.push(given) }
    const { app } = start(answer, { refreshTokenTransport: 'cookie', hooks })
    const [cookie = ''] = (await logIn(app)).headers['set-cookie'] as unknown as string[]
    const send = () => request(app).post('/refresh').set('Cookie', cookie.split(';', 1))
    answer.now = () => undefined
    expectFailed(await send())
    expect(told).toEqual([])
    answer.now = camelCase
    expect((await send()).status).toBe(200)
    await expect.poll(() => told).toEqual([{ id: user }])
  })
})

describe('refreshTokenField', () => {
  const field = 'refreshToken'
  const named = (token: string) => ({ [field]: token })

  it.each([null, ''])('of a login may be %j, which replaces no session', async refresh_token => {
    const { app, userData } = start({ now: camelCase })
    await logIn(app)
    await request(app).post('/login').send({ email: user, refresh_token }).expect(200)
    expect(await userData.sessions(user)).toHaveLength(2)
  })

  it('may be "token", the name of RFC 7009', async () => {
    const userData = createTestUserData(database, { refreshTokenField: 'token' })
    const app = express().post('/refresh', userData.refresh()).post('/logout', userData.logout())
    const { refresh_token: token } = await userData.issueTokens(user)
    const { body } = await request(app).post('/refresh').send({ token }).expect(200)
    await request(app).post('/logout').send({ token: body.refresh_token }).expect(204)
    expect(await userData.sessions(user)).toEqual([])
  })

  it.each(['of the instance', 'of each route'])(
    '%s names the field of refresh, logout and login',
    async whose => {
      const option = { refreshTokenField: field }
      const isOfInstance = whose === 'of the instance'
      const userData = createTestUserData(database, isOfInstance ? option : {})
      const ofRoute = isOfInstance ? {} : option
      const app = express()
        .post(
          '/login',
          userData.login(({ email }) => ({ id: String(email) }), ofRoute),
        )
        .post('/refresh', userData.refresh(ofRoute))
        .post('/logout', userData.logout(ofRoute))
      const newToken = async (more = {}) =>
        (
          await request(app)
            .post('/login')
            .send({ email: user, ...more })
        ).body.refresh_token as string
      const first = await newToken()
      const unnamed = await request(app).post('/refresh').send({ refresh_token: first })
      expect(unnamed).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
      expect(unnamed.body.error_description).toContain("'refreshToken' must be a text")
      expect((await request(app).post('/refresh').send(named(first))).status).toBe(200)

      const second = await newToken(named(first))
      expect((await request(app).post('/refresh').send(named(first))).status).toBe(400)
      expect((await request(app).post('/logout').send(named(second))).status).toBe(204)
      expect((await request(app).post('/refresh').send(named(second))).status).toBe(400)
      const third = await newToken()
      const both = await request(app)
        .post('/logout')
        .send({ token: first, ...named(third) })
      expect(both).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
      expect((await request(app).post('/logout').send({ token: third })).status).toBe(204)
    },
  )
})

describe('a session that ends while the answer is made', () => {
  const COOKIES = { refreshTokenTransport: 'cookie' } as const
  const cookieOf = ({ headers }: Response) => String(headers['set-cookie']).split(';')[0]!
  const withSlow = (options: Parameters<typeof start>[1] = {}) => {
    const answer: { now: Answer } = { now: () => ({}) }
    const started = start(answer, options)
    return { ...started, answer, app: started.app.post('/logout', started.userData.logout()) }
  }

  it('by a logout, refuses the refresh, and the answer sets no cookie', async () => {
    const { app, userData, answer, failures } = withSlow(COOKIES)
    const cookie = cookieOf(await logIn(app))
    const refusals: unknown[] = []
    userData.events.on('refresh_refused', ({ reason }) => refusals.push(reason))
    answer.now = async () => {
      await request(app).post('/logout').set('Cookie', cookie).expect(204)
      return {}
    }
    const { status, body, headers } = await request(app).post('/refresh').set('Cookie', cookie)
    expect({ status, body: body as unknown }).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(headers).not.toHaveProperty('set-cookie')
    expect(refusals).toEqual(['ended'])
    expect(failures).toEqual([])
  })

  it('by a revocation, refuses the login, and no event tells that it began', async () => {
    const { app, userData, answer, events, failures } = withSlow(COOKIES)
    answer.now = async () => {
      await userData.revoke(user)
      return {}
    }
    const { status, body, headers } = await logIn(app)
    expect({ status, body: body as unknown }).toMatchObject({
      status: 401,
      body: { error: 'invalid_credentials' },
    })
    expect(headers).not.toHaveProperty('set-cookie')
    expect(await aliveSessions()).toBe(0)
    expect(events.map(({ name }) => name)).toEqual(['revoked', 'login_refused'])
    expect(failures).toEqual([])
  })

  it('leaves the session that the refused login would have replaced', async () => {
    const { app, userData, answer } = withSlow()
    const other = await userData.issueTokens(`${user}-other`)
    answer.now = async () => {
      await userData.revoke(user)
      return {}
    }
    await request(app).post('/login').send({ email: user, refresh_token: other.refresh_token }).expect(401)
    expect(await userData.sessions(`${user}-other`)).toHaveLength(1)
  })
})

describe('answer of login() and refresh() may change its object', () => {
  const hostile: Answer = tokens => {
    const { user: given } = tokens as { user?: { id: string } }
    given!.id = 'mallory'
    delete (tokens as { user?: object }).user
    return { refresh: tokens.refresh_token }
  }

  it('which changes neither the user of the hook nor the answer', async () => {
    const refreshed: string[] = []
    const hooks = { afterRefresh: ({ id }: { id: string }) => void refreshed.push(id) }
    const { app, failures } = start({ now: hostile }, { hooks })
    const { refresh: token } = (await logIn(app).expect(200)).body as { refresh: string }
    await refresh(app, token).expect(200)
    await expect.poll(() => refreshed).toEqual([user])
    expect(failures).toEqual([])
  })
})
