import express from 'express'
import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { CustomUserDataOptions, TokenPlaces } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const NAME = 'access_token'
const NOW = 1_700_000_000_000
const CLEARED = `${NAME}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly`

const database = useDatabase()
const alice = forgeToken()
const bob = forgeToken({ claims: validClaims('bob') })
const expired = forgeToken({ claims: { ...validClaims(), exp: 1_000 } })
const unknown = forgeToken({ secret: 'another secret, of 32 bytes or more' })

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

function start(
  tokenPlaces: TokenPlaces = { cookie: NAME, query: 'token', form: 'token' },
  options: Options = {},
): Express {
  const userData = createTestUserData(database, { tokenPlaces, ...options })
  const answer: express.RequestHandler = (req, res) => void res.json({ id: req.user?.id ?? null })
  return express()
    .use(express.urlencoded({ extended: false }))
    .use('/user', (req, _res, next) => {
      req.user = { id: 'of another middleware' } as never
      next()
    })
    .use(['/public', '/user'], userData.authenticate({ optional: true }), answer)
    .use('/fresh', userData.authenticate({ optional: true, maxAgeMs: 0 }), answer)
    .use('/me', userData.authenticate(), answer)
    .use(createSessionApp(userData))
    .use(userData.errorHandler())
}

const get = (app: Express, path: string, token: string) =>
  request(app).get(path).set('Cookie', `${NAME}=${token}`)

const setCookiesOf = ({ headers }: Response) =>
  ((headers as Record<string, unknown>)['set-cookie'] ?? []) as string[]

describe('optional: true takes a stale token in a cookie for no token, and clears the cookie', () => {
  it.each([
    ['an expired token', expired],
    ['a token of an unknown key', unknown],
    ['a text that is no token', 'abc'],
    ['a malformed text', 'a,b'],
  ])('%s', async (_title, token) => {
    const app = start()
    for (const path of ['/public', '/fresh', '/user']) {
      const answer = await get(app, path, token)
      expect(answer).toMatchObject({ status: 200, body: { id: null } })
      expect(setCookiesOf(answer)).toEqual([CLEARED])
    }
  })

  it('an expired token, whose cookie stays for a minute: a refresh of another tab may just have set a new one', async () => {
    const clock = createManualClock(NOW)
    const app = start(undefined, { clock, clockToleranceSeconds: 5 })
    const token = forgeToken({ claims: { ...validClaims('alice', NOW), exp: NOW / 1000 } })
    clock.advance(5_000)
    for (const expected of [[], [CLEARED]]) {
      for (const path of ['/public', '/fresh', '/user']) {
        const answer = await get(app, path, token)
        expect(answer).toMatchObject({ status: 200, body: { id: null } })
        expect(setCookiesOf(answer)).toEqual(expected)
      }
      clock.advance(60_000)
    }
  })

  it('a token that is not valid yet, whose cookie stays', async () => {
    const nbf = Date.now() / 1000 + 600
    const answer = await get(start(), '/public', forgeToken({ claims: { ...validClaims(), nbf } }))
    expect(answer).toMatchObject({ status: 200, body: { id: null } })
    expect(setCookiesOf(answer)).toEqual([])
  })

  it('beside an empty cookie of the same name', async () => {
    const answer = await request(start()).get('/public').set('Cookie', `${NAME}=; ${NAME}=${expired}`)
    expect(answer).toMatchObject({ status: 200, body: { id: null } })
    expect(setCookiesOf(answer)).toEqual([CLEARED])
  })

  it('also a token whose session has ended, cached or not, and its cookie stays', async () => {
    const userData = createTestUserData(database, { tokenPlaces: { cookie: NAME } })
    const app = express().get('/', userData.authenticate({ optional: true }), (req, res) => {
      res.json({ id: req.user?.id ?? null })
    })
    const { access_token: token } = await userData.issueTokens('alice')
    expect((await get(app, '/', token)).body).toEqual({ id: 'alice' })
    await userData.revoke('alice')
    const answer = await get(app, '/', token)
    expect(answer.body).toEqual({ id: null })
    expect(setCookiesOf(answer)).toEqual([])
  })

  it('with the path and the domain that the option names, and Secure if the name needs it', async () => {
    const cookie = { name: '__Secure-at', path: '/api', domain: 'example.com' }
    const answer = await request(start({ cookie })).get('/public').set('Cookie', '__Secure-at=abc')
    expect(answer.status).toBe(200)
    expect(setCookiesOf(answer)).toEqual([
      '__Secure-at=; Domain=example.com; Path=/api; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure',
    ])
  })

  it('but a valid token in the cookie is used', async () => {
    const answer = await get(start(), '/public', alice)
    expect(answer.body).toEqual({ id: 'alice' })
    expect(setCookiesOf(answer)).toEqual([])
  })

  it('but a stale token in another place is refused, because the client has chosen to send it', async () => {
    const app = start()
    for (const answer of [
      await request(app).get('/public').set('Authorization', `Bearer ${expired}`),
      await request(app).get(`/public?token=${expired}`),
      await request(app).post('/public').type('form').send({ token: expired }),
      await get(app, '/me', expired),
    ]) {
      expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_token' } })
      expect(setCookiesOf(answer)).toEqual([])
    }
  })

  it('but two tokens stay a malformed request, because one of them may be good', async () => {
    const app = start()
    for (const answer of [
      await request(app).get('/public').set('Cookie', `${NAME}=${alice}; ${NAME}=abc`),
      await get(app, '/public', expired).set('Authorization', `Bearer ${alice}`),
      await get(app, '/public', 'a,b').set('Authorization', 'Bearer'),
    ]) {
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
      expect(setCookiesOf(answer)).toEqual([])
    }
  })

  it('but a failure of the server and a request of another page are still refused', async () => {
    const closed = createTestUserData(database, { tokenPlaces: { cookie: NAME } })
    await closed.close()
    const guard = closed.authenticate({ optional: true })
    const app = express().use(guard).use(closed.errorHandler())
    expect((await get(app, '/', alice)).status).toBe(503)
    const foreign = await request(start())
      .post('/public')
      .set({ Cookie: `${NAME}=${expired}`, 'Sec-Fetch-Site': 'cross-site' })
    expect(foreign.status).toBe(403)
  })
})

describe('a token in the query beside one in the cookie', () => {
  it.each([{ Accept: 'text/event-stream' }, { Accept: 'text/event-stream, */*' }])(
    'wins for an EventSource, which cannot set a header: %j',
    async headers => {
      for (const cookie of [alice, expired, 'a,b']) {
        const answer = await get(start(), `/me?token=${bob}`, cookie).set(headers)
        expect(answer).toMatchObject({ status: 200, body: { id: 'bob' } })
      }
    },
  )

  it('wins for a WebSocket', async () => {
    const guard = createTestUserData(database, {
      tokenPlaces: { cookie: NAME, query: 'token' },
    }).authenticate()
    const headers = { upgrade: 'websocket', cookie: `${NAME}=${alice}`, origin: 'https://other.example.com' }
    const req = { method: 'GET', url: `/chat?token=${bob}`, headers, socket: {} }
    const error = await new Promise<unknown>(resolve => {
      void guard(req as never, {} as never, resolve)
    })
    expect(error).toBeUndefined()
    expect(req).toMatchObject({ user: { id: 'bob' } })
  })

  it('is refused for other requests, and the answer names both places', async () => {
    const answer = await get(start(), `/me?token=${bob}`, alice)
    expect(answer).toMatchObject({
      status: 400,
      body: { detail: 'There are two access tokens: send one. They are in a cookie and the query.' },
    })
  })
})

describe('the cookie of the access token is cleared', () => {
  it.each(['body', 'cookie'] as const)(
    'by a login and by a logout, with the refresh token in: %s',
    async way => {
      const app = start({ cookie: NAME }, { refreshTokenTransport: way })
      const login = await request(app)
        .post('/login')
        .set('Cookie', `${NAME}=${expired}`)
        .send({ user: 'alice' })
      expect(login.status).toBe(200)
      expect(setCookiesOf(login)[0]).toBe(CLEARED)
      const { refresh_token } = login.body as { refresh_token?: string }
      const cookies = setCookiesOf(login).map(cookie => cookie.split(';')[0]!)
      const logout = await request(app)
        .post('/logout')
        .set('Cookie', cookies.join('; '))
        .send({ refresh_token })
      expect(logout.status).toBe(204)
      expect(setCookiesOf(logout)[0]).toBe(CLEARED)
    },
  )

  it('not by a form that a page of another origin sends, with the refresh token in the body', async () => {
    const app = start({ cookie: NAME })
    const foreign = {
      Cookie: `${NAME}=${alice}`,
      'Sec-Fetch-Site': 'cross-site',
      Origin: 'https://evil.test',
    }
    for (const [path, form, status] of [
      ['/login', { user: 'alice' }, 200],
      ['/logout', { refresh_token: 'x' }, 204],
    ] as const) {
      const answer = await request(app).post(path).set(foreign).type('form').send(form)
      expect(answer.status).toBe(status)
      expect(setCookiesOf(answer)).toEqual([])
    }
  })

  it('by logoutAll(), and by the end of the own session', async () => {
    const app = start()
    const userOf = async () =>
      (await request(app).post('/login').send({ user: 'alice' })).body as { access_token: string }
    const all = await request(app)
      .post('/logout-all')
      .set('Cookie', `${NAME}=${(await userOf()).access_token}`)
    expect([all.status, setCookiesOf(all)]).toEqual([204, [CLEARED]])
    const { access_token: token } = await userOf()
    const { sid } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sid: string }
    const own = await request(app).delete(`/sessions/${sid}`).set('Cookie', `${NAME}=${token}`)
    expect([own.status, setCookiesOf(own)]).toEqual([204, [CLEARED]])
  })

  it('not by a login that fails', async () => {
    const answer = await request(start()).post('/login').set('Cookie', `${NAME}=${expired}`).send({})
    expect(answer.status).toBe(401)
    expect(setCookiesOf(answer)).toEqual([])
  })
})

it.each<[unknown, string]>([
  ['a b', 'option "tokenPlaces.cookie": write a cookie name'],
  ['', 'option "tokenPlaces.cookie": write a'],
  [1, 'option "tokenPlaces.cookie": write { name, path, domain }'],
  [{ name: '__Host-at', path: '/api' }, 'has the path "/" and no domain'],
  [{ name: 'at', path: 'api' }, 'write a path that begins with a slash'],
])('a cookie that no browser takes is refused at creation: %j', (cookie, message) => {
  const create = () => start({ cookie: cookie as never })
  expect(create).toThrow(OptionError)
  expect(create).toThrow(message)
})
