import express from 'express'
import type { Express } from 'express'
import type { CustomUserData, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { expectChallenge } from '../support/http.js'
import { createSessionApp, getMe, logIn, logOut, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const deadlines = holdDeadlines()
const database = useDatabase()
let clock: ManualClock
let userData: CustomUserData<Readonly<Record<string, unknown>>>
let app: Express
let user: string
let users = 0
beforeEach(() => {
  clock = createManualClock()
  userData = createTestUserData(database, { clock })
  app = createSessionApp(userData)
  user = `user-${users++}`
})

type Login = TokenAnswer<object>
const get = ({ access_token: token }: Login, at = app) =>
  request(at).get('/sessions').auth(token, { type: 'bearer' })
const end = (sid: string, { access_token: token }: Login, at = app) =>
  request(at).delete(`/sessions/${sid}`).auth(token, { type: 'bearer' })
const sidOfLogin = (login: Login) => sidOf(login.refresh_token)

describe('the list of own sessions', () => {
  it('describes each session, newest first, and marks the session of the request', async () => {
    const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    const first = await logIn(app, user)
    clock.advance(60_000)
    const { body } = await request(app).post('/login').set('User-Agent', userAgent).send({ user })
    const second = body as Login
    const answer = await get(first)
    expect(answer.status).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    const from = (ms: number) => new Date(1_800_000_000_000 + ms).toISOString()
    const sixtyDays = 60 * 86_400_000
    expect(answer.body).toEqual([
      {
        sid: sidOfLogin(second),
        createdAt: from(60_000),
        lastUsedAt: from(60_000),
        expiresAt: from(60_000 + sixtyDays),
        device: 'Firefox on Linux',
        address: '127.0.0.1',
        current: false,
      },
      {
        sid: sidOfLogin(first),
        createdAt: from(0),
        lastUsedAt: from(0),
        expiresAt: from(sixtyDays),
        device: null,
        address: '127.0.0.1',
        current: true,
      },
    ])
  })

  it('contains nothing from which a token could be made', async () => {
    const login = await logIn(app, user)
    const { text } = await get(login)
    for (const part of login.refresh_token.split('.').slice(2)) expect(text).not.toContain(part)
    for (const field of ['current":"', 'previous', 'secretName', 'generation'])
      expect(text).not.toContain(field)
  })

  it('contains no session of another user and no session that has ended', async () => {
    await logIn(app, `${user}-2`)
    await logOut(app, (await logIn(app, user)).refresh_token)
    const login = await logIn(app, user)
    const list = (await get(login)).body as { sid: string }[]
    expect(list.map(({ sid }) => sid)).toEqual([sidOfLogin(login)])
  })

  it('equals the list that sessions(userId) gives to the server', async () => {
    const login = await logIn(app, user)
    const list = await userData.sessions(user)
    expect(JSON.parse(JSON.stringify(list.map(session => ({ ...session, current: true }))))).toEqual(
      (await get(login)).body,
    )
  })

  it('has the origin that issueTokens() was given', async () => {
    await userData.issueTokens(user, { device: 'Front door', address: '203.0.113.7' })
    expect(await userData.sessions(user)).toMatchObject([{ device: 'Front door', address: '203.0.113.7' }])
  })
})

describe('DELETE of an own session', () => {
  it('ends that session and no other', async () => {
    const [lost, mine] = [await logIn(app, user), await logIn(app, user)]
    const answer = await end(sidOfLogin(lost), mine)
    expect(answer).toMatchObject({ status: 204, text: '' })
    expect((await getMe(app, lost.access_token)).status).toBe(401)
    expect((await getMe(app, mine.access_token)).status).toBe(200)
  })

  it('answers 404 for the session of another user as for an unknown session, and does not end it', async () => {
    const [mine, theirs] = [await logIn(app, user), await logIn(app, `${user}-2`)]
    const answers = [await end(sidOfLogin(theirs), mine), await end('A'.repeat(22), mine)]
    for (const answer of answers) {
      expect(answer.status).toBe(404)
      expect(answer.body).toMatchObject({ code: 'session_not_found', status: 404 })
      expect(answer.headers).not.toHaveProperty('www-authenticate')
    }
    expect(answers[0]!.text).toBe(answers[1]!.text)
    expect((await getMe(app, theirs.access_token)).status).toBe(200)
  })

  it('answers 404 for any text that is not the name of a session', async () => {
    const mine = await logIn(app, user)
    for (const sid of ['$where', '%7B%22$gt%22:%22%22%7D', '__proto__', 'a'.repeat(4_000), '%00', '..%2f']) {
      expect((await end(sid, mine)).status, sid).toBe(404)
    }
  })

  it.each(['%E0%A4%A', '%', 'a%zz'])(
    'refuses a malformed path as this package does, not as HTML: %s',
    async sid => {
      const answer = await end(sid, await logIn(app, user))
      expect(answer.status).toBe(400)
      expect(answer.type).toBe('application/problem+json')
      expect(answer.body).toMatchObject({
        code: 'invalid_request',
        detail: 'The sid in the path is malformed.',
      })
    },
  )

  it('works behind attach(), where no session is the session of the request', async () => {
    const login = await logIn(app, user)
    const behind = express()
      .use((req, _res, next) => {
        req.user = { id: user } as Express.User
        next()
      })
      .use(userData.attach({ boundTo: () => 'their session' }))
      .use('/sessions', userData.ownSessions())
      .use(userData.errorHandler())
    const list = await get(login, behind)
    expect(list.body).toMatchObject([{ sid: sidOfLogin(login), current: false }])
    expect((await end(sidOfLogin(login), login, behind)).status).toBe(204)
  })

  it('answers 404 the second time', async () => {
    const [lost, mine] = [await logIn(app, user), await logIn(app, user)]
    await end(sidOfLogin(lost), mine)
    expect((await end(sidOfLogin(lost), mine)).status).toBe(404)
  })
})

describe('logoutAll()', () => {
  it('ends every session of the user, and caches must not keep the answer', async () => {
    const logins = [await logIn(app, user), await logIn(app, user)]
    const answer = await request(app).post('/logout-all').auth(logins[0]!.access_token, { type: 'bearer' })
    expect(answer).toMatchObject({ status: 204, text: '' })
    expect(answer.headers['cache-control']).toBe('no-store')
    for (const { access_token: token } of logins) expect((await getMe(app, token)).status).toBe(401)
    expect(await userData.sessions(user)).toEqual([])
  })

  it('reads the user only from the access token, never from the body or the query', async () => {
    const [mine, theirs] = [await logIn(app, user), await logIn(app, `${user}-2`)]
    const other = { user: `${user}-2`, userId: `${user}-2`, id: `${user}-2` }
    await request(app)
      .post('/logout-all')
      .query(other)
      .auth(mine.access_token, { type: 'bearer' })
      .send(other)
      .expect(204)
    expect((await getMe(app, theirs.access_token)).status).toBe(200)
  })
})

describe('these routes', () => {
  it('answer other methods with 405 and the methods that they take, and end nothing', async () => {
    const guarded = express()
      .use(userData.authenticate())
      .use('/sessions', userData.ownSessions())
      .use('/logout-all', userData.logoutAll())
      .use(userData.errorHandler())
    const login = await logIn(app, user)
    const sid = sidOfLogin(login)
    for (const [method, path, allow] of [
      ['post', '/sessions', 'GET, HEAD, OPTIONS'],
      ['get', `/sessions/${sid}`, 'DELETE, OPTIONS'],
      ['get', '/logout-all', 'POST'],
      ['delete', '/logout-all', 'POST'],
    ] as const) {
      const answer = await request(guarded)[method](path).auth(login.access_token, { type: 'bearer' })
      expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' }, headers: { allow } })
    }
    expect(await userData.sessions(user)).toHaveLength(1)
  })

  it('answer 401 without a token and 500 with one if no guard runs before them, and end nothing', async () => {
    const bare = express()
      .use('/sessions', userData.ownSessions())
      .post('/logout-all', userData.logoutAll())
      .use(userData.errorHandler({ onError: () => undefined }))
    const login = await logIn(app, user)
    const answers = [
      await get(login, bare),
      await end(sidOfLogin(login), login, bare),
      await request(bare).post('/logout-all').auth(login.access_token, { type: 'bearer' }),
    ]
    for (const { status, body } of answers) {
      expect([status, (body as { code: string }).code]).toEqual([500, 'attach_misconfigured'])
    }
    for (const answer of [await request(bare).get('/sessions'), await request(bare).post('/logout-all')]) {
      expect(answer.status).toBe(401)
      expect(expectChallenge(answer)).toEqual({ realm: 'api' })
    }
    expect((await getMe(app, login.access_token)).status).toBe(200)
  })

  it('answer 503 while MongoDB is away', async () => {
    const proxied = await openProxiedDatabase(database)
    const { proxy } = proxied
    const db = proxied.db
    const there = createSessionApp(createTestUserData({ db }, { clock, sessionTimeoutMs: 400 }))
    const login = await logIn(app, user)
    expect((await getMe(there, login.access_token)).status).toBe(200)
    proxy.pause()
    for (const sent of [get(login, there), end('A'.repeat(22), login, there)]) {
      const { answer } = await deadlines.passUntil(sent)
      expect(answer).toMatchObject({ status: 503, body: { code: 'sessions_unavailable' } })
      expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    }
    proxy.resume()
  })
})
