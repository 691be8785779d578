import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { RefreshCookieOptions, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createSessionApp, expectInvalidGrant, getMe } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const NAME = '__Host-refresh_token'

let database: TestDatabase
beforeAll(async () => {
  database = await openDatabase()
})
afterAll(() => database.close())

function start(cookie?: RefreshCookieOptions, options: object = {}): Express {
  const refreshTokenTransport = cookie ? { cookie } : 'cookie'
  return createSessionApp(createTestUserData(database, { refreshTokenTransport, ...options }))
}

interface SetCookie {
  name: string
  value: string
  attributes: string[]
}

/** The one cookie that an answer sets; its `Expires` says no more than `Max-Age` and is left out. */
function cookieOf({ headers }: Response): SetCookie {
  const set = (headers as Record<string, unknown>)['set-cookie'] as string[]
  expect(set).toHaveLength(1)
  const [pair = '', ...attributes] = set[0]!.split('; ')
  const [name = '', value = ''] = pair.split('=')
  return { name, value, attributes: attributes.filter(attribute => !attribute.startsWith('Expires')) }
}

const logIn = (app: Express) => request(app).post('/login').send({ user: 'alice' })
const post = (app: Express, path: string, cookie?: string) =>
  cookie === undefined ? request(app).post(path) : request(app).post(path).set('Cookie', cookie)

/** Logs in, and gives the cookie as a browser sends it. */
async function logInFor(app: Express): Promise<string> {
  const { name, value } = cookieOf(await logIn(app))
  return `${name}=${value}`
}

function expectInvalidRequest(answer: Response): void {
  expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  expect(answer.headers).not.toHaveProperty('set-cookie')
}

describe('the cookie of a login and of a refresh', () => {
  it('ASVS 3.3.1, 3.3.2, 3.3.3, 3.3.4: is HttpOnly, Secure, SameSite=Strict and of the host alone, for as long as a session lives', async () => {
    const app = start()
    const login = await logIn(app)
    const first = cookieOf(login)
    expect(first).toEqual({
      name: NAME,
      value: expect.stringMatching(/^[\w-]{22}\.0\.[\w-]{43}\.[\w-]{22}$/),
      attributes: ['Max-Age=5184000', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'],
    })
    const refreshed = await post(app, '/refresh', `${NAME}=${first.value}`)
    const { value, ...rest } = cookieOf(refreshed)
    expect(value).toMatch(/^[\w-]{22}\.1\./)
    expect(rest).toEqual({ name: first.name, attributes: first.attributes })
  })

  it('ASVS 3.3.4: is the only place of the refresh token: the JSON has the other members', async () => {
    const app = start()
    const login = await logIn(app)
    const refreshed = await post(app, '/refresh', `${NAME}=${cookieOf(login).value}`)
    for (const answer of [login, refreshed]) {
      expect(answer.status).toBe(200)
      expect(Object.keys(answer.body as object)).toEqual(['access_token', 'token_type', 'expires_in', 'user'])
      expect(answer.text).not.toContain(cookieOf(answer).value)
      const { access_token: token } = answer.body as TokenAnswer<object>
      expect((await getMe(app, token)).status).toBe(200)
    }
  })

  it.each<[RefreshCookieOptions, string, string[]]>([
    [{ name: 'rt' }, '__Host-rt', ['Path=/', 'SameSite=Strict']],
    [{ path: '/auth' }, 'refresh_token', ['Path=/auth', 'SameSite=Strict']],
    [{ domain: 'example.com' }, 'refresh_token', ['Domain=example.com', 'Path=/', 'SameSite=Strict']],
    [{ sameSite: 'lax' }, NAME, ['Path=/', 'SameSite=Lax']],
    [{ sameSite: 'none' }, NAME, ['Path=/', 'SameSite=None']],
    [{ name: 'rt', path: '/a', sameSite: 'lax' }, 'rt', ['Path=/a', 'SameSite=Lax']],
  ])('has the prefix __Host- only where a browser would take it: %j', async (options, name, attributes) => {
    const app = start(options)
    const cookie = cookieOf(await logIn(app))
    expect(cookie.name).toBe(name)
    const expected = ['Max-Age=5184000', ...attributes, 'HttpOnly', 'Secure']
    expect([...cookie.attributes].sort()).toEqual(expected.sort())
    expect((await post(app, '/refresh', `${name}=${cookie.value}`)).status).toBe(200)
  })

  it('lives as long as the option says a session may', async () => {
    const cookie = cookieOf(await logIn(start({}, { refreshTokenTtlSeconds: 3_600 })))
    expect(cookie.attributes).toContain('Max-Age=3600')
  })
})

describe('refresh and logout by cookie', () => {
  it('need no body, and look at none', async () => {
    const app = start()
    const cookie = await logInFor(app)
    for (const body of ['', '{', '[]', '{"refresh_token":{"$gt":""}}']) {
      const answer = await post(app, '/refresh', cookie).type('json').send(body)
      expect(answer.status).toBe(200)
    }
    expect((await post(app, '/logout', cookie)).status).toBe(204)
  })

  it('do not take the token from a body', async () => {
    const app = start()
    const token = (await logInFor(app)).split('=')[1]
    expectInvalidRequest(await post(app, '/refresh').send({ refresh_token: token }))
    expect((await post(app, '/logout').send({ refresh_token: token })).status).toBe(204)
    expect((await post(app, '/refresh', `${NAME}=${token!}`)).status).toBe(200)
  })

  it('find the cookie among others, and know it by its exact name', async () => {
    const app = start()
    const cookie = await logInFor(app)
    expect((await post(app, '/refresh', `a=b; ${cookie}; x${NAME}=c; ${NAME}2=d`)).status).toBe(200)
    const [, value = ''] = cookie.split('=')
    for (const other of ['refresh_token', `${NAME}2`, `x${NAME}`, NAME.toLowerCase(), `a; ${NAME} `]) {
      expectInvalidRequest(await post(app, '/refresh', `${other}=${value}`))
    }
  })

  it.each(['', '=', NAME, `${NAME}=`, `${NAME}=${'a'.repeat(1_025)}`, ';;;'])(
    'without a token in it there is no refresh, and nothing to log out of: %j',
    async cookie => {
      expectInvalidRequest(await post(start(), '/refresh', cookie))
      expect((await post(start(), '/logout', cookie)).status).toBe(204)
    },
  )

  it('are refused to two cookies of the name, of which one is somebody else’s, and ended for both', async () => {
    const app = start()
    const [cookie, other] = [await logInFor(app), await logInFor(app)]
    expectInvalidRequest(await post(app, '/refresh', `${cookie}; ${cookie}`))
    expectInvalidRequest(await post(app, '/refresh', `${NAME}=planted; ${cookie}`))
    expect((await post(app, '/refresh', cookie)).status).toBe(200)
    expect((await post(app, '/logout', `${NAME}=planted; ${cookie}; ${other}`)).status).toBe(204)
    for (const ended of [cookie, other]) expectInvalidGrant(await post(app, '/refresh', ended))
  })

  it('are refused from other sites, before anything is read', async () => {
    for (const sameSite of [undefined, 'strict', 'lax'] as const) {
      const app = start(sameSite && { sameSite })
      const cookie = await logInFor(app)
      database.commands.clear()
      for (const path of ['/refresh', '/logout']) {
        expectInvalidRequest(await post(app, path, cookie).set('Sec-Fetch-Site', 'cross-site'))
      }
      expect(database.commands.named('find', 'findAndModify', 'update')).toHaveLength(0)
      for (const site of ['same-origin', 'same-site', 'none']) {
        expect((await post(app, '/refresh', cookie).set('Sec-Fetch-Site', site)).status).toBe(200)
      }
    }
  })

  it('are let in from other sites with sameSite: none', async () => {
    const app = start({ sameSite: 'none' })
    const cookie = await logInFor(app)
    expect((await post(app, '/refresh', cookie).set('Sec-Fetch-Site', 'cross-site')).status).toBe(200)
    expect((await post(app, '/logout', cookie).set('Sec-Fetch-Site', 'cross-site')).status).toBe(204)
  })
})

describe('a login by cookie', () => {
  it('is refused from other sites, which could log somebody in as somebody else', async () => {
    expectInvalidRequest(await logIn(start()).set('Sec-Fetch-Site', 'cross-site'))
    expect((await logIn(start({ sameSite: 'none' })).set('Sec-Fetch-Site', 'cross-site')).status).toBe(200)
  })

  it('ASVS 7.2.4: ends the session of the cookie that it takes the place of', async () => {
    const app = start()
    const cookie = await logInFor(app)
    const next = cookieOf(await logIn(app).set('Cookie', cookie))
    expectInvalidGrant(await post(app, '/refresh', cookie))
    expect((await post(app, '/refresh', `${next.name}=${next.value}`)).status).toBe(200)
  })
})

describe('the cookie is taken away', () => {
  it.each<[RefreshCookieOptions, string[]]>([
    [{}, ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict']],
    [
      { domain: 'example.com', path: '/auth', sameSite: 'lax' },
      ['Domain=example.com', 'Path=/auth', 'HttpOnly', 'Secure', 'SameSite=Lax'],
    ],
  ])('by a logout, under the name and attributes that it was given with: %j', async (options, attributes) => {
    const app = start(options)
    const cookie = await logInFor(app)
    const answer = await post(app, '/logout', cookie)
    expect(answer.status).toBe(204)
    expect(cookieOf(answer)).toEqual({ name: cookie.split('=')[0], value: '', attributes })
    expect(String(answer.headers['set-cookie'])).toContain('Expires=Thu, 01 Jan 1970 00:00:00 GMT')
    expectInvalidGrant(await post(app, '/refresh', cookie))
  })

  it.each(['/logout-all', 'own session'])('by %s', async way => {
    const app = start()
    const answer = await logIn(app)
    const { access_token: token } = answer.body as TokenAnswer<object>
    const [sid] = cookieOf(answer).value.split('.')
    const ended = way === '/logout-all' ? request(app).post(way) : request(app).delete(`/sessions/${sid!}`)
    expect(cookieOf(await ended.auth(token, { type: 'bearer' }))).toMatchObject({ name: NAME, value: '' })
  })

  it('not by the end of another session of the user’s', async () => {
    const app = start()
    const { access_token: token } = (await logIn(app)).body as TokenAnswer<object>
    const [sid] = cookieOf(await logIn(app)).value.split('.')
    const answer = await request(app).delete(`/sessions/${sid!}`).auth(token, { type: 'bearer' })
    expect(answer.status).toBe(204)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })

  it('by the logout of a session that has ended already', async () => {
    const app = start()
    const cookie = await logInFor(app)
    for (let i = 0; i < 2; i++) expect(cookieOf(await post(app, '/logout', cookie)).value).toBe('')
  })

  it('V36: not by a refresh that fails: of parallel ones the loser must not undo what the winner was given', async () => {
    const app = start({}, { reuseWindowSeconds: 0 })
    const cookie = await logInFor(app)
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(app, '/refresh', cookie)))
    const losers = answers.filter(({ status }) => status !== 200)
    expect(losers.length).toBeGreaterThanOrEqual(5)
    for (const loser of losers) {
      expectInvalidGrant(loser)
      expect(loser.headers).not.toHaveProperty('set-cookie')
    }
  })

  it('V36: nor is it changed by a replay that gets the same successor', async () => {
    const app = start()
    const cookie = await logInFor(app)
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(app, '/refresh', cookie)))
    expect(new Set(answers.map(answer => cookieOf(answer).value)).size).toBe(1)
  })

  it('not by our own trouble', async () => {
    const patient = start()
    const cookie = await logInFor(patient)
    const closed = createTestUserData(database, { refreshTokenTransport: 'cookie' })
    closed.close()
    const answer = await post(createSessionApp(closed), '/refresh', cookie)
    expect(answer.status).toBe(503)
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expect((await post(patient, '/refresh', cookie)).status).toBe(200)
  })
})

it('a login that fails sets no cookie', async () => {
  const answer = await request(start()).post('/login').send({})
  expect(answer.status).toBe(401)
  expect(answer.headers).not.toHaveProperty('set-cookie')
})

it('without the option no route sets or reads a cookie', async () => {
  const app = createSessionApp(createTestUserData(database))
  const login = await logIn(app)
  expect(login.headers).not.toHaveProperty('set-cookie')
  const { refresh_token: token } = login.body as TokenAnswer<object>
  for (const name of [NAME, 'refresh_token']) {
    expectInvalidRequest(await post(app, '/refresh', `${name}=${token}`))
  }
  const out = await post(app, '/logout').send({ refresh_token: token })
  expect(out.headers).not.toHaveProperty('set-cookie')
})

it.each([
  ['sometimes', 'option "refreshTokenTransport": write "body", "cookie" or { cookie'],
  [{ cookie: { secure: false } }, 'there is no option "secure"'],
  [{ cookie: { httpOnly: false } }, 'there is no option "httpOnly"'],
  [{ cookie: { sameSite: 'never' } }, 'option "refreshTokenTransport.cookie.sameSite": write "strict"'],
  [{ cookie: { name: '' } }, 'write a'],
  [{ cookie: { name: 'a b' } }, 'write a cookie name'],
  [{ cookie: { name: 'a=b' } }, 'write a cookie name'],
  [{ cookie: { name: 'a;b' } }, 'write a cookie name'],
  [{ cookie: { name: '__Host-a' } }, 'without the prefix __Host-'],
  [{ cookie: { path: 'auth' } }, 'write a path that begins with a slash'],
  [{ cookie: { path: '/; Domain=example.com' } }, 'write a path'],
  [{ cookie: { domain: 'example.com; Path=/' } }, 'write a domain'],
])('what browsers would not take, or what is not safe, is refused at creation: %j', (transport, message) => {
  const create = () => createTestUserData(database, { refreshTokenTransport: transport as never })
  expect(create).toThrow(OptionError)
  expect(create).toThrow(message)
})
