import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { RefreshCookieOptions, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultCookieName } from '../../lib/options/token-cookies.js'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { sendRaw } from '../attacks/raw-request.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createSessionApp, expectInvalidGrant, getMe, recordEvents } from '../support/session-app.js'
import { AUDIENCE, createTestUserData, ISSUER } from '../support/user-data.js'

const DEFAULT_NAME = defaultCookieName({ issuer: ISSUER, audience: [AUDIENCE], clientId: AUDIENCE })
const NAME = `__Host-${DEFAULT_NAME}`

const database = useDatabase()

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

/** Requests come by a proxy, which may have changed their path. So a cookie may have any path here. */
const send = (app: Express, path: string) =>
  request(app).post(path).set({ Host: 'app.example.com', Via: '1.1 proxy' })
const logIn = (app: Express) => send(app, '/login').send({ user: 'alice' })
const post = (app: Express, path: string, cookie?: string) =>
  cookie === undefined ? send(app, path) : send(app, path).set('Cookie', cookie)

/** Logs in, and gives the cookie as a browser sends it. */
async function logInFor(app: Express): Promise<string> {
  const { name, value } = cookieOf(await logIn(app))
  return `${name}=${value}`
}

function expectInvalidRequest(answer: Response): void {
  expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  expect(answer.headers).not.toHaveProperty('set-cookie')
}

function expectMissing(answer: Response): void {
  expect(answer).toMatchObject({ status: 401, body: { error: 'missing_refresh_token' } })
  expect(answer.headers).not.toHaveProperty('set-cookie')
  expect(answer.headers).not.toHaveProperty('www-authenticate')
}

function expectForeign(answer: Response): void {
  expect(answer).toMatchObject({ status: 403, body: { error: 'foreign_origin' } })
  expect(answer.headers).not.toHaveProperty('set-cookie')
}

describe('the cookie of a login and of a refresh', () => {
  it('ASVS 3.3.1, 3.3.2, 3.3.3, 3.3.4: is HttpOnly, Secure, SameSite=Strict and of the host alone, for as long as a session lives', async () => {
    const app = start(undefined, { clock: createManualClock() })
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
    [{ path: '/auth' }, `__Secure-${DEFAULT_NAME}`, ['Path=/auth', 'SameSite=Strict']],
    [
      { domain: 'example.com' },
      `__Secure-${DEFAULT_NAME}`,
      ['Domain=example.com', 'Path=/', 'SameSite=Strict'],
    ],
    [{ name: '__Host-rt' }, '__Host-rt', ['Path=/', 'SameSite=Strict']],
    [{ name: '__Secure-rt' }, '__Secure-rt', ['Path=/', 'SameSite=Strict']],
    [{ name: '__Secure-rt', path: '/a' }, '__Secure-rt', ['Path=/a', 'SameSite=Strict']],
    [{ name: '__Http-rt' }, '__Host-__Http-rt', ['Path=/', 'SameSite=Strict']],
    [{ sameSite: 'lax' }, NAME, ['Path=/', 'SameSite=Lax']],
    [{ sameSite: 'none' }, NAME, ['Path=/', 'SameSite=None']],
    [{ name: 'rt', path: '/a', sameSite: 'lax' }, '__Secure-rt', ['Path=/a', 'SameSite=Lax']],
  ])(
    'has the prefix __Host- where a browser would take it, and otherwise __Secure-: %j',
    async (options, name, attributes) => {
      const app = start(options)
      const cookie = cookieOf(await logIn(app))
      expect(cookie.name).toBe(name)
      const expected = ['Max-Age=5184000', ...attributes, 'HttpOnly', 'Secure']
      expect([...cookie.attributes].sort()).toEqual(expected.sort())
      expect((await post(app, '/refresh', `${name}=${cookie.value}`)).status).toBe(200)
    },
  )

  it('lives as long as the option says a session may', async () => {
    const cookie = cookieOf(await logIn(start({}, { refreshTokenTtlSeconds: 3_600 })))
    expect(cookie.attributes).toContain('Max-Age=3600')
  })
})

describe('the default name of the cookie', () => {
  const nameFor = async (options: object) => cookieOf(await logIn(start(undefined, options))).name
  const other = { issuer: 'https://other.example.com' }

  it('differs between apps with another issuer, first audience or client, which may share a host', async () => {
    const names = [
      NAME,
      await nameFor(other),
      await nameFor({ audience: 'https://other.example.com', clientId: AUDIENCE }),
      await nameFor({ clientId: 'another client' }),
    ]
    expect(new Set(names).size).toBe(4)
    for (const name of names) expect(name).toMatch(/^__Host-refresh_token_[\da-f]{8}$/)
  })

  it('stays the same in each process, and with one more audience', async () => {
    expect(await nameFor({})).toBe(NAME)
    expect(await nameFor({ audience: [AUDIENCE, 'https://second.example.com'] })).toBe(NAME)
  })

  it('keeps the sessions of two apps on one host apart: a login at one leaves the cookie of the other', async () => {
    const first = start()
    const second = start(undefined, other)
    const cookie = await logInFor(first)
    const both = `${cookie}; ${(await logIn(second).set('Cookie', cookie)).headers['set-cookie']![0]!.split(';')[0]!}`
    expect((await post(first, '/refresh', both)).status).toBe(200)
    expect((await post(second, '/refresh', both)).status).toBe(200)
  })
})

describe('refresh and logout by cookie', () => {
  it('need no body and ignore it', async () => {
    const app = start()
    const cookie = await logInFor(app)
    for (const body of ['', '{', '[]', '{"refresh_token":{"$gt":""}}']) {
      const answer = await post(app, '/refresh', cookie).type('json').send(body)
      expect(answer.status).toBe(200)
    }
    expect((await post(app, '/logout', cookie)).status).toBe(204)
  })

  it('do not read a token from the body', async () => {
    const app = start()
    const token = (await logInFor(app)).split('=')[1]
    expectMissing(await post(app, '/refresh').send({ refresh_token: token }))
    expect((await post(app, '/logout').send({ refresh_token: token })).status).toBe(204)
    expect((await post(app, '/refresh', `${NAME}=${token!}`)).status).toBe(200)
  })

  it('find the cookie among others, and know it by its exact name', async () => {
    const app = start()
    const cookie = await logInFor(app)
    expect((await post(app, '/refresh', `a=b; ${cookie}; x${NAME}=c; ${NAME}2=d`)).status).toBe(200)
    const [, value = ''] = cookie.split('=')
    for (const other of ['refresh_token', `${NAME}2`, `x${NAME}`, NAME.toLowerCase()]) {
      expectMissing(await post(app, '/refresh', `${other}=${value}`))
    }
  })

  it.each(['', '=', NAME, `${NAME}=`, `${NAME}=; ${NAME}=`, ';;;'])(
    'without a cookie are a 401 of its own, or a logout, because the user is not logged in: %j',
    async cookie => {
      expectMissing(await post(start(), '/refresh', cookie))
      expect((await post(start(), '/logout', cookie)).status).toBe(204)
    },
  )

  it('with a cookie that is too long are refused as malformed, or a logout', async () => {
    const cookie = `${NAME}=${'a'.repeat(1_025)}`
    expectInvalidRequest(await post(start(), '/refresh', cookie))
    expect((await post(start(), '/logout', cookie)).status).toBe(204)
  })

  it('are refused from pages of other origins, before anything is read', async () => {
    for (const sameSite of [undefined, 'strict', 'lax'] as const) {
      const app = start(sameSite && { sameSite })
      const cookie = await logInFor(app)
      database.commands.clear()
      for (const path of ['/refresh', '/logout']) {
        for (const site of ['cross-site', 'same-site'])
          expectForeign(await post(app, path, cookie).set('Sec-Fetch-Site', site))
      }
      expect(database.commands.named('find', 'findAndModify', 'update')).toHaveLength(0)
      for (const site of ['same-origin', 'none']) {
        expect((await post(app, '/refresh', cookie).set('Sec-Fetch-Site', site)).status).toBe(200)
      }
    }
  })

  it('are let in from the other sites that are allowed', async () => {
    const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://app.example.com' }
    const app = start({ sameSite: 'none' }, { allowedOrigins: ['https://app.example.com'] })
    const cookie = await logInFor(app)
    expectForeign(await post(app, '/refresh', cookie).set('Sec-Fetch-Site', 'cross-site'))
    expect((await post(app, '/refresh', cookie).set(foreign)).status).toBe(200)
    expect((await post(app, '/logout', cookie).set(foreign)).status).toBe(204)
  })
})

describe('a login by cookie', () => {
  it('is refused from other sites, which could log a user in as another user', async () => {
    for (const sameSite of ['strict', 'lax', 'none'] as const) {
      expectForeign(await logIn(start({ sameSite })).set('Sec-Fetch-Site', 'cross-site'))
    }
  })

  it('ASVS 7.2.4: ends the session of the cookie that it replaces', async () => {
    const app = start()
    const cookie = await logInFor(app)
    const next = cookieOf(await logIn(app).set('Cookie', cookie))
    expectInvalidGrant(await post(app, '/refresh', cookie))
    expect((await post(app, '/refresh', `${next.name}=${next.value}`)).status).toBe(200)
  })
})

describe('the cookie is removed', () => {
  it.each<[RefreshCookieOptions, string[]]>([
    [{}, ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict']],
    [
      { domain: 'example.com', path: '/auth', sameSite: 'lax' },
      ['Domain=example.com', 'Path=/auth', 'HttpOnly', 'Secure', 'SameSite=Lax'],
    ],
  ])('by a logout, with the name and attributes that the login used: %j', async (options, attributes) => {
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

  it('not by the end of another session of the user', async () => {
    const app = start()
    const { access_token: token } = (await logIn(app)).body as TokenAnswer<object>
    const [sid] = cookieOf(await logIn(app)).value.split('.')
    const answer = await request(app).delete(`/sessions/${sid!}`).auth(token, { type: 'bearer' })
    expect(answer.status).toBe(204)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })

  it('by the logout of a session that has already ended', async () => {
    const app = start()
    const cookie = await logInFor(app)
    for (let i = 0; i < 2; i++) expect(cookieOf(await post(app, '/logout', cookie)).value).toBe('')
  })

  it('not by a refresh that fails, because a parallel refresh may have set a new cookie', async () => {
    const app = start({}, { reuseToleranceSeconds: 0 })
    const cookie = await logInFor(app)
    const { value } = cookieOf(await post(app, '/refresh', cookie))
    await post(app, '/refresh', `${cookie.split('=')[0]!}=${value}`)
    const losers = await Promise.all(Array.from({ length: 6 }, () => post(app, '/refresh', cookie)))
    for (const loser of losers) {
      expectInvalidGrant(loser)
      expect(loser.headers).not.toHaveProperty('set-cookie')
    }
  })

  it('by a refresh whose session ended more than a minute ago, and not earlier', async () => {
    const clock = createManualClock()
    const app = start(undefined, { clock })
    const cookie = await logInFor(app)
    await post(app, '/logout', cookie)
    const soon = await post(app, '/refresh', cookie)
    expectInvalidGrant(soon)
    expect(soon.headers).not.toHaveProperty('set-cookie')
    clock.advance(60_001)
    const later = await post(app, '/refresh', cookie)
    expectInvalidGrant(later)
    expect(cookieOf(later)).toMatchObject({ name: NAME, value: '' })
  })

  it('by a refresh whose session was deleted, when the process does not remember its end any more', async () => {
    const clock = createManualClock()
    const userData = createTestUserData(database, { refreshTokenTransport: 'cookie', clock })
    const app = createSessionApp(userData)
    for (const remove of ['deleteSessions', 'eraseUser'] as const) {
      const old = await logInFor(app)
      await userData[remove]('alice')
      await expect.poll(async () => (await userData.storedAbout('alice')).sessions).toEqual([])
      const bob = cookieOf(await send(app, '/login').set('Cookie', old).send({ user: 'bob' }))
      expect(bob.value).not.toBe('')
      const late = await post(app, '/refresh', old)
      expectInvalidGrant(late)
      expect(late.headers).not.toHaveProperty('set-cookie')
      clock.advance(25 * 3_600_000)
      expect(cookieOf(await post(app, '/refresh', old)).value).toBe('')
    }
  })

  it('by a refresh whose session has expired, or that names no session', async () => {
    const clock = createManualClock()
    const app = start(undefined, { clock, refreshTokenIdleSeconds: 3_600 })
    const cookie = await logInFor(app)
    clock.advance(3_600_000 + 60_001)
    for (const dead of [cookie, `${NAME}=abc`]) {
      const answer = await post(app, '/refresh', dead)
      expectInvalidGrant(answer)
      expect(cookieOf(answer)).toMatchObject({ name: NAME, value: '' })
    }
  })

  it('not by a refresh that arrives late, after a login has replaced its session', async () => {
    const app = start()
    const old = await logInFor(app)
    const bob = cookieOf(await send(app, '/login').set('Cookie', old).send({ user: 'bob' }))
    const late = await post(app, '/refresh', old)
    expectInvalidGrant(late)
    expect(late.headers).not.toHaveProperty('set-cookie')
    expect((await post(app, '/refresh', `${bob.name}=${bob.value}`)).body).toMatchObject({
      user: { id: 'bob' },
    })
  })

  it('not by a repeated refresh, which gets the same successor', async () => {
    const app = start()
    const cookie = await logInFor(app)
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(app, '/refresh', cookie)))
    expect(new Set(answers.map(answer => cookieOf(answer).value)).size).toBe(1)
  })

  it('not by a fault of the server', async () => {
    const patient = start()
    const cookie = await logInFor(patient)
    const closed = createTestUserData(database, { refreshTokenTransport: 'cookie' })
    await closed.close()
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
  [{ cookie: { sameSite: 'none', secure: false } }, 'only with Secure: leave out secure: false'],
  [{ cookie: { secure: 'false' } }, 'write true or false'],
  [{ cookie: { partitioned: true } }, 'write sameSite: "none", or leave out partitioned'],
  [{ cookie: { httpOnly: false } }, 'there is no option "httpOnly"'],
  [{ cookie: { sameSite: 'never' } }, 'option "refreshTokenTransport.cookie.sameSite": write "strict"'],
  [{ cookie: { name: '' } }, 'write a'],
  [{ cookie: { name: 'a b' } }, 'write a cookie name'],
  [{ cookie: { name: 'a=b' } }, 'write a cookie name'],
  [{ cookie: { name: 'a;b' } }, 'write a cookie name'],
  [{ cookie: { name: '__Host-' } }, 'write __Host- or __Secure-, and the name behind it'],
  [{ cookie: { name: '__host-a' } }, 'write __Host- or __Secure-'],
  [{ cookie: { name: '__SECURE-a' } }, 'write __Host- or __Secure-'],
  [{ cookie: { name: '__Host-a', path: '/auth' } }, 'has the path "/" and no domain'],
  [{ cookie: { name: '__Host-a', domain: 'example.com' } }, 'has the path "/" and no domain'],
  [{ cookie: { name: 'a'.repeat(257) } }, 'at most 256 characters'],
  [{ cookie: { path: `/${'a'.repeat(1_024)}` } }, 'at most 1024 characters'],
  [{ cookie: { path: '/auth?a=b' } }, 'write a path that begins with a slash'],
  [{ cookie: { path: '/auth#a' } }, 'write a path that begins with a slash'],
  [{ cookie: { path: '/api/../auth' } }, 'write the path without them'],
  [{ cookie: { path: '/.' } }, 'write the path without them'],
  [{ cookie: { domain: 'example..com' } }, 'write a domain'],
  [{ cookie: { domain: '..example.com' } }, 'write a domain'],
  [{ cookie: { domain: 'example.com.' } }, 'write a domain'],
  [{ cookie: { domain: '-example.com' } }, 'write a domain'],
  [{ cookie: { domain: 'example.com:3000' } }, 'write a domain'],
  [{ cookie: { domain: 'https://example.com' } }, 'write a domain'],
  [{ cookie: { path: 'auth' } }, 'write a path that begins with a slash'],
  [{ cookie: { path: '/; Domain=example.com' } }, 'write a path'],
  [{ cookie: { domain: 'example.com; Path=/' } }, 'write a domain'],
])(
  'options that browsers would ignore or that are unsafe are refused at creation: %j',
  (transport, message) => {
    const create = () => createTestUserData(database, { refreshTokenTransport: transport as never })
    expect(create).toThrow(OptionError)
    expect(create).toThrow(message)
  },
)

describe('several refresh cookies of one request', () => {
  const CLEARED = `${NAME}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict`

  function startRecording(options: object = {}) {
    const userData = createTestUserData(database, { refreshTokenTransport: 'cookie', ...options })
    return { app: createSessionApp(userData), userData, events: recordEvents(userData) }
  }

  function setCookiesOf({ headers }: Response): string[] {
    return ((headers as Record<string, unknown>)['set-cookie'] ?? []) as string[]
  }

  async function refreshFor(app: Express, cookie: string): Promise<string> {
    const answer = await post(app, '/refresh', cookie)
    expect(answer.status).toBe(200)
    return `${NAME}=${cookieOf(answer).value}`
  }

  /** Fails unless the answer refuses the cookies as unclear and clears them. */
  function expectCleared(answer: Response, found: string): void {
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    expect((answer.body as { error_description: string }).error_description).toContain(found)
    expect(setCookiesOf(answer)).toEqual([CLEARED])
  }

  const junk = `${NAME}=planted`
  /** A well-formed token of a session, that this server never made. */
  const forgedOf = (cookie: string) => `${cookie.split('.')[0]!}.0.${'A'.repeat(43)}.${'A'.repeat(22)}`

  it('refresh with the current token of the only session that is alive, in any position', async () => {
    const { app, events } = startRecording()
    const ended = await logInFor(app)
    await post(app, '/logout', ended)
    let cookie = await logInFor(app)
    const other = await logInFor(app)
    for (const others of [[junk], [ended], [forgedOf(other)], [junk, ended, `${NAME}=`], [cookie]]) {
      cookie = await refreshFor(app, [...others, cookie].join('; '))
      cookie = await refreshFor(app, [cookie, ...others].join('; '))
    }
    expect(events.map(({ name }) => name)).not.toContain('reuse_detected')
    expect((await post(app, '/refresh', other)).status).toBe(200)
  })

  it('refresh with the previous token if the current token is not among them', async () => {
    const { app } = startRecording()
    const first = await logInFor(app)
    const second = await refreshFor(app, first)
    expect(await refreshFor(app, `${junk}; ${first}`)).toBe(second)
  })

  it('refresh with a token that was exchanged within reuseToleranceSeconds if no newer one is among them', async () => {
    const { app } = startRecording()
    const first = await logInFor(app)
    const third = await refreshFor(app, await refreshFor(app, first))
    expect(await refreshFor(app, `${junk}; ${first}`)).toBe(third)
  })

  it('refresh with the current token if older tokens of the same session are sent too', async () => {
    const { app, events } = startRecording()
    const first = await logInFor(app)
    const second = await refreshFor(app, first)
    const third = await refreshFor(app, second)
    const fourth = await refreshFor(app, [first, second, third].join('; '))
    await refreshFor(app, fourth)
    expect(events.map(({ name }) => name)).not.toContain('reuse_detected')
  })

  it('are refused and cleared if two sessions are alive, of one user or of two, and neither session ends', async () => {
    const { app, events } = startRecording()
    const alice = await logInFor(app)
    const again = await logInFor(app)
    const bob = `${NAME}=${cookieOf(await request(app).post('/login').send({ user: 'bob' })).value}`
    const told = events.length
    for (const pair of [
      [alice, again],
      [alice, bob],
      [bob, junk, alice],
    ]) {
      expectCleared(await post(app, '/refresh', pair.join('; ')), 'refresh cookies of several sessions')
    }
    expect(events).toHaveLength(told)
    for (const cookie of [alice, again, bob]) expect((await post(app, '/refresh', cookie)).status).toBe(200)
  })

  it('are refused like one bad token if none can be used, and are kept while a session of them is alive', async () => {
    const { app, events } = startRecording()
    const first = await logInFor(app)
    const third = await refreshFor(app, await refreshFor(app, first))
    await letExchangesAge(database.db, 30_000)
    const told = events.length
    const kept = await post(app, '/refresh', `${junk}; ${first}`)
    expectInvalidGrant(kept)
    expect(setCookiesOf(kept)).toEqual([])
    for (const made of [`${junk}2`, forgedOf(third)]) {
      const answer = await post(app, '/refresh', `${junk}; ${made}`)
      expectInvalidGrant(answer)
      expect(setCookiesOf(answer)).toEqual([CLEARED])
    }
    expect(events).toHaveLength(told)
    await refreshFor(app, third)
  })

  it('cost a query of the session and a query of its user each, and none if they cannot be tokens', async () => {
    const { app } = startRecording()
    const cookies = [await logInFor(app), await logInFor(app), await logInFor(app), await logInFor(app)]
    database.commands.clear()
    await post(app, '/refresh', cookies.join('; '))
    expect(database.commands.named('find', 'aggregate')).toHaveLength(8)
    database.commands.clear()
    await post(app, '/refresh', `${junk}; ${junk}2; ${junk}3; ${junk}4`)
    expect(database.commands.named('find', 'findAndModify', 'update')).toHaveLength(0)
  })

  it('are refused and cleared without a query if more than 4 different ones may be tokens', async () => {
    const { app, userData } = startRecording()
    const cookie = await logInFor(app)
    // The set-up looks at the collections, too.
    await userData.ready()
    const others = ['B', 'C', 'D', 'E'].map(letter => forgedOf(cookie).replaceAll('AAA', letter.repeat(3)))
    database.commands.clear()
    expectCleared(await post(app, '/refresh', [...others, cookie].join('; ')), 'more than 4 refresh cookies')
    expect(database.commands.named('find', 'findAndModify', 'update', 'aggregate')).toHaveLength(0)
    expect((await post(app, '/refresh', cookie)).status).toBe(200)
  })

  it('refresh beside any number of copies and of values that cannot be a token', async () => {
    const { app } = startRecording()
    let cookie = await logInFor(app)
    for (const count of [4, 100]) {
      const others = Array.from({ length: count }, (_item, index) => `${junk}${index}`)
      cookie = await refreshFor(app, [...others, cookie].join('; '))
      cookie = await refreshFor(app, [...Array<string>(4).fill(cookie), cookie].join('; '))
    }
  })

  it('are ended and cleared by a logout: 4 at most, and values that cannot be a token do not count', async () => {
    const { app } = startRecording()
    const cookies: string[] = []
    for (let i = 0; i < 6; i++) cookies.push(await logInFor(app))
    database.commands.clear()
    const answer = await post(app, '/logout', [...Array<string>(60).fill(junk), ...cookies].join('; '))
    expect(answer.status).toBe(204)
    expect(setCookiesOf(answer)).toEqual([CLEARED])
    expect(database.commands.named('find', 'findAndModify', 'update')).toHaveLength(4)
    const statuses: number[] = []
    for (const cookie of cookies) statuses.push((await post(app, '/refresh', cookie)).status)
    expect(statuses).toEqual([400, 400, 400, 400, 200, 200])
  })

  it('cost a logout no query if they are 130 invalid values', async () => {
    const { app } = startRecording()
    database.commands.clear()
    const cookies = Array.from({ length: 130 }, (_item, index) => `${NAME}=${index}`)
    expect((await post(app, '/logout', cookies.join('; '))).status).toBe(204)
    expect(database.commands.named('find', 'findAndModify', 'update')).toHaveLength(0)
  })

  it('never prevent a login, which ends the sessions of 4 of them at most', async () => {
    const { app } = startRecording()
    const cookies = [await logInFor(app), await logInFor(app)]
    const crowd = [...Array<string>(100).fill(junk), forgedOf(cookies[0]!), ...cookies].join('; ')
    const cookie = cookieOf(await logIn(app).set('Cookie', crowd))
    for (const ended of cookies) expectInvalidGrant(await post(app, '/refresh', ended))
    expect((await post(app, '/refresh', `${NAME}=${cookie.value}`)).status).toBe(200)
  })
})

describe('previousCookies', () => {
  const previousCookies = [
    { name: 'rt', path: '/auth' },
    { name: 'refresh_token', domain: 'example.com' },
    { name: '__Host-old' },
  ]
  const cleared = [
    'rt=; Path=/auth; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    'refresh_token=; Domain=example.com; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    '__Host-old=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
  ]
  const setCookies = ({ headers }: Response) => (headers as Record<string, unknown>)['set-cookie'] as string[]

  it('are cleared by name, path and domain at a login, before its own cookie, and at a logout', async () => {
    const app = start({ sameSite: 'lax', previousCookies })
    const login = setCookies(await logIn(app))
    expect(login.slice(0, 3)).toEqual(cleared)
    expect(login[3]).toMatch(new RegExp(`^${NAME}=[\\w.-]{80,}; Max-Age`))
    const cookie = login[3]!.split(';')[0]!
    expect(setCookies(await post(app, '/refresh', cookie))).toHaveLength(1)
    expect(setCookies(await post(app, '/logout', cookie)).slice(0, 3)).toEqual(cleared)
  })

  it('are not cleared by a login that fails', async () => {
    const answer = await request(start({ previousCookies })).post('/login').send({})
    expect(answer.status).toBe(401)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })

  it.each<[unknown, RefreshCookieOptions, string]>([
    ['rt', {}, 'write a list of { name, path, domain }'],
    [['rt'], {}, 'previousCookies.0": write { name, path, domain }'],
    [[{}], {}, 'previousCookies.0.name": write a'],
    [[{ name: 'a b' }], {}, 'write a cookie name'],
    [[{ name: 'a', path: 'auth' }], {}, 'write a path that begins with a slash'],
    [[{ name: 'a', domain: 'a; b' }], {}, 'write a domain'],
    [[{ name: 'a', sameSite: 'lax' }], {}, 'there is no option "sameSite"'],
    [[{ name: '__Host-a', path: '/auth' }], {}, 'has the path "/" and no domain'],
    [[{ name: '__Host-a', domain: 'example.com' }], {}, 'has the path "/" and no domain'],
    [[{ name: NAME }], {}, 'previousCookies": it names the cookie that is in use'],
    [[{ name: '__Secure-rt', path: '/a' }], { name: 'rt', path: '/a' }, 'it names the cookie that is in use'],
    [
      [{ name: '__Secure-rt', domain: '.Example.com' }],
      { name: 'rt', domain: 'example.com' },
      'it names the cookie that is in use',
    ],
  ])('are checked at creation: %j beside %j', (given, cookie, message) => {
    const create = () => start({ ...cookie, previousCookies: given as never })
    expect(create).toThrow(OptionError)
    expect(create).toThrow(message)
  })
})

describe('the Cookie header, byte for byte', () => {
  let server: TestServer
  let cookie: string
  beforeAll(async () => {
    const app = start({}, { rotateRefreshTokens: false })
    server = await serve(app)
    cookie = await logInFor(app)
  })
  afterAll(() => server.close())

  const refreshWith = async (header: string) => {
    const request = { method: 'POST', path: '/refresh', headers: [`Cookie: ${header}`] }
    return (await sendRaw(Number(new URL(server.origin).port), request, 'latin1')).status
  }

  it('only a space and a tab may stand around a name and around a value, of all 256 bytes', async () => {
    const taken: Record<string, string[]> = { before: [], after: [], beforeValue: [], afterValue: [] }
    const [name, value] = cookie.split('=') as [string, string]
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte)
      const headers = {
        before: `a=b;${char}${cookie}`,
        after: `a=b;${name}${char}=${value}`,
        beforeValue: `a=b;${name}=${char}${value}`,
        afterValue: `a=b;${cookie}${char};c=d`,
      }
      for (const [place, header] of Object.entries(headers)) {
        if ((await refreshWith(header)) === 200) taken[place]!.push(char)
      }
    }
    expect(taken).toEqual({
      // After a semicolon another one begins an empty pair.
      before: ['\t', ' ', ';'],
      after: ['\t', ' '],
      beforeValue: ['\t', ' '],
      afterValue: ['\t', ' ', ';'],
    })
  })

  it.each([
    ['a no-break space in UTF-8', `\xc2\xa0NAME`, 401],
    ['a byte order mark', `\xef\xbb\xbfNAME`, 401],
    ['a name in another case', 'name', 401],
    ['a longer name', 'xNAME', 401],
    ['a name in quotes', '"NAME"', 401],
    ['spaces and tabs', ' \t NAME\t ', 200],
  ])('%s', async (_title, form, status) => {
    const [name, value] = cookie.split('=') as [string, string]
    const written = form.replace('NAME', name).replace(/^name$/, name.toLowerCase())
    expect(await refreshWith(`${written}=${value}`)).toBe(status)
  })
})
