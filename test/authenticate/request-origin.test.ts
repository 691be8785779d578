import express from 'express'
import type { Express, RequestHandler } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { AllowedOrigins, RefreshCookieOptions } from 'express-custom-user-data'
import passport from 'passport'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { toOrigin } from '../../lib/authenticate/request-origin.js'
import { useDatabase } from '../support/database.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

const database = useDatabase()

interface Setting {
  cookie?: RefreshCookieOptions
  allowedOrigins?: AllowedOrigins
  /** The setting `trust proxy` of Express. */
  trust?: unknown
}

function start({ cookie = {}, allowedOrigins, trust }: Setting = {}): Express {
  const options = { refreshTokenTransport: { cookie }, allowedOrigins }
  const app = createSessionApp(createTestUserData(database, options))
  return trust === undefined ? app : express().set('trust proxy', trust).use(app)
}

/**
 * Sends a form as a page can make a browser send it, without permission by CORS. A proxy says that the page was reached by
 * https, because a browser would not keep the cookie of other pages. Gives the answer's status.
 */
async function logIn(app: Express, headers: Record<string, string>): Promise<number> {
  const all = { 'X-Forwarded-Proto': 'https', ...headers }
  const answer = await request(app).post('/login').type('form').set(all).send({ user: 'mallory' })
  if (answer.status === 200) return 200
  expect(answer.body).toMatchObject({ error: 'foreign_origin' })
  expect(answer.headers).not.toHaveProperty('set-cookie')
  return answer.status
}

describe('a login by cookie, of a browser without Sec-Fetch-Site', () => {
  it.each([
    ['https://attacker.example', 'app.example.com'],
    ['http://attacker.example', 'app.example.com'],
    ['http://app.example.com.attacker.example', 'app.example.com'],
    ['http://app.example.com:81', 'app.example.com'],
    ['https://app.example.com', 'app.example.com'],
    ['http://app.example.com', 'app.example.com:8080'],
    ['http://example.com', 'app.example.com'],
    ['http://app.example.com/', 'app.example.com'],
    ['http://app.example.com, http://app.example.com', 'app.example.com'],
    ['app.example.com', 'app.example.com'],
    ['http://[::1]:81', '[::1]:80'],
    ['null', 'app.example.com'],
    ['', 'app.example.com'],
    ['null', 'null'],
  ])('is refused from another origin than the host of the request: %j at %j', async (origin, host) => {
    expect(await logIn(start(), { Origin: origin, Host: host })).toBe(403)
  })

  it.each([
    ['http://app.example.com', 'app.example.com'],
    ['http://app.example.com', 'app.example.com:80'],
    ['http://app.example.com:80', 'app.example.com'],
    ['http://app.example.com', 'APP.example.COM'],
    ['http://app.example.com:8080', 'app.example.com:8080'],
    ['http://[::1]:3000', '[::1]:3000'],
    ['http://[::1]', '[0:0:0:0:0:0:0:1]'],
    ['http://127.0.0.1:3000', '127.0.0.1:3000'],
  ])('works from its own origin: %j at %j', async (origin, host) => {
    expect(await logIn(start(), { Origin: origin, Host: host })).toBe(200)
  })

  it('works without an Origin, because no browser leaves both headers out of a request of a page', async () => {
    expect(await logIn(start(), {})).toBe(200)
  })
})

describe('a login by cookie, of a browser with Sec-Fetch-Site', () => {
  it.each(['same-origin', 'none'])('works from its own pages and by the user: %s', async site => {
    const at = { 'Sec-Fetch-Site': site, Host: 'internal:3000' }
    expect(await logIn(start(), at)).toBe(200)
    expect(await logIn(start(), { ...at, Origin: 'https://app.example.com' })).toBe(200)
  })

  it.each(['same-site', 'cross-site', 'unknown', 'same-site, same-origin', ''])(
    'is refused from another page, and works from the origin of the request: %j',
    async site => {
      const at = { 'Sec-Fetch-Site': site, Host: 'app.example.com' }
      expect(await logIn(start(), at)).toBe(403)
      expect(await logIn(start(), { ...at, Origin: 'null' })).toBe(403)
      expect(await logIn(start(), { ...at, Origin: 'http://blog.example.com' })).toBe(403)
      expect(await logIn(start(), { ...at, Origin: 'http://app.example.com:8080' })).toBe(403)
      const app = start({ cookie: { sameSite: 'none' } })
      expect(await logIn(app, { ...at, Origin: 'http://app.example.com' })).toBe(200)
    },
  )
})

describe('behind a proxy', () => {
  const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'app.example.com' }

  it('its own origin is the one that a trusted proxy has forwarded', async () => {
    const app = start({ trust: 'loopback' })
    const at = { Host: 'internal:3000', ...forwarded }
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com' })).toBe(200)
    expect(await logIn(app, { ...at, Origin: 'http://internal:3000' })).toBe(403)
    expect(await logIn(app, { ...at, Origin: 'http://app.example.com' })).toBe(403)
  })

  it('the port is kept, and of several hosts the first counts', async () => {
    const app = start({ trust: 1 })
    const at = {
      Host: 'internal',
      ...forwarded,
      'X-Forwarded-Host': 'App.example.com:8443 , inner.example.com',
    }
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com:8443' })).toBe(200)
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com' })).toBe(403)
    expect(await logIn(app, { ...at, Origin: 'https://inner.example.com' })).toBe(403)
  })

  it('the host of the request counts if the proxy forwards none', async () => {
    const app = start({ trust: true })
    const at = { Host: 'app.example.com', 'X-Forwarded-Proto': 'https' }
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com:443' })).toBe(200)
    expect(await logIn(app, { ...at, 'X-Forwarded-Host': '', Origin: 'https://app.example.com' })).toBe(200)
  })

  it.each([undefined, false, '10.0.0.0/8'])(
    'forwarded headers of a stranger count for nothing: %j',
    async trust => {
      const app = start({ trust })
      const at = { Host: 'app.example.com', ...forwarded, 'X-Forwarded-Host': 'attacker.example' }
      expect(await logIn(app, { ...at, Origin: 'https://attacker.example' })).toBe(403)
      expect(await logIn(app, { ...at, Origin: 'http://attacker.example' })).toBe(403)
      expect(await logIn(app, { ...at, Origin: 'http://app.example.com' })).toBe(200)
    },
  )
})

describe('allowedOrigins', () => {
  const allowedOrigins = ['https://APP.example.com:443', 'http://localhost:5173', 'capacitor://localhost']
  const app = () => start({ cookie: { sameSite: 'none' }, allowedOrigins })

  it.each(['https://app.example.com', 'http://localhost:5173', 'capacitor://localhost'])(
    'lets pages of another origin log in, with and without Sec-Fetch-Site: %s',
    async origin => {
      const at = { Origin: origin, Host: 'api.example.net' }
      expect(await logIn(app(), at)).toBe(200)
      expect(await logIn(app(), { ...at, 'Sec-Fetch-Site': 'cross-site' })).toBe(200)
    },
  )

  it.each([
    'https://other.example.com',
    'http://app.example.com',
    'http://localhost',
    'ionic://localhost',
    'null',
  ])('lets no other pages in, whatever SameSite says: %s', async origin => {
    const at = { Origin: origin, Host: 'api.example.net' }
    expect(await logIn(app(), at)).toBe(403)
    expect(await logIn(app(), { ...at, 'Sec-Fetch-Site': 'cross-site' })).toBe(403)
  })

  it.each([
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://user@app.example.com',
    'https://*.example.com',
    'app.example.com',
    'null',
    '*',
    '',
    1,
  ])('is refused at creation for a value that no browser sends: %j', value => {
    const create = () => start({ allowedOrigins: [value as string] })
    expect(create).toThrow(OptionError)
    expect(create).toThrow('option "allowedOrigins.0": write ')
  })
})

it.each(['all', '*', true, null, {}])('allowedOrigins is a list or "any": %j', value => {
  const create = () => start({ allowedOrigins: value as never })
  expect(create).toThrow(OptionError)
  expect(create).toThrow('option "allowedOrigins": write a list of origins, or "any"')
})

it('allowedOrigins: "any" lets every page log in, refresh and log out', async () => {
  const app = start({ cookie: { sameSite: 'none' }, allowedOrigins: 'any' })
  const foreign = { Host: 'app.example.com', Origin: 'https://attacker.example' }
  expect(await logIn(app, foreign)).toBe(200)
  expect(await logIn(app, { ...foreign, 'Sec-Fetch-Site': 'cross-site' })).toBe(200)
})

describe('a request with an access token in a cookie', () => {
  const HOST = { Host: 'app.example.com' }
  const FOREIGN: Record<string, string>[] = [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://attacker.example' },
    { 'Sec-Fetch-Site': 'same-site', Origin: 'http://blog.example.com' },
    { Origin: 'http://app.example.com:8080' },
    { Origin: 'null' },
  ]
  const OWN: Record<string, string>[] = [
    {},
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'http://app.example.com' },
  ]
  const ALLOWED = 'https://other.example.com'
  const token = forgeToken()
  const methods = ['post', 'put', 'patch', 'delete'] as const
  let app: Express
  beforeAll(() => {
    const userData = createTestUserData(database, {
      tokenPlaces: { cookie: 'at', query: 'access_token', form: 'access_token' },
      allowedOrigins: [ALLOWED],
    })
    app = express()
      .use(express.urlencoded({ extended: false }))
      .use('/optional', userData.authenticate({ optional: true }))
      .use(
        '/strategy',
        new passport.Passport()
          .use(userData.strategy())
          .authenticate('custom-user-data', { session: false }) as RequestHandler,
      )
      .use('/me', userData.authenticate())
      .use((req, res) => void res.json({ id: userData.user(req).id }))
      .use(userData.errorHandler())
  })

  it.each(['/me', '/optional', '/strategy'])(
    'is refused with 403 if another page made the browser send it: %s',
    async path => {
      for (const method of methods) {
        for (const headers of FOREIGN) {
          const answer = await request(app)
            [method](path)
            .set({ ...HOST, ...headers, Cookie: `at=${token}` })
          expect(answer, JSON.stringify([method, headers])).toMatchObject({
            status: 403,
            body: { code: 'foreign_origin' },
          })
        }
        for (const headers of [...OWN, { Origin: ALLOWED, 'Sec-Fetch-Site': 'cross-site' }]) {
          const answer = await request(app)
            [method](path)
            .set({ ...HOST, ...headers, Cookie: `at=${token}` })
          expect(answer, JSON.stringify([method, headers])).toMatchObject({ status: 200 })
        }
      }
    },
  )

  it('works from every page if its method changes nothing', async () => {
    for (const method of ['get', 'head', 'options'] as const) {
      for (const headers of FOREIGN) {
        const answer = await request(app)
          [method]('/me')
          .set({ ...HOST, ...headers, Cookie: `at=${token}` })
        expect(answer.status).toBe(200)
      }
    }
  })

  it('is refused if the page of another origin opens a WebSocket, which is a GET', async () => {
    const guard = createTestUserData(database, { tokenPlaces: { cookie: 'at' } }).authenticate()
    const open = (origin: string) =>
      new Promise<unknown>(resolve => {
        const headers = { host: 'app.example.com', upgrade: 'websocket', cookie: `at=${token}`, origin }
        void guard({ method: 'GET', headers, socket: {} } as never, {} as never, resolve)
      })
    expect(await open('https://attacker.example')).toMatchObject({ code: 'foreign_origin', status: 403 })
    expect(await open('http://app.example.com')).toBeUndefined()
  })

  it('is looked at only for a token that came in the cookie', async () => {
    const foreign = { ...HOST, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://attacker.example' }
    const others = [
      request(app).post('/me').set('Authorization', `Bearer ${token}`),
      request(app).post(`/me?access_token=${token}`),
      request(app).post('/me').type('form').send({ access_token: token }),
    ]
    for (const other of others) expect((await other.set(foreign)).status).toBe(200)
  })
})

describe('an origin', () => {
  it.each([
    ['HTTPS://Example.COM:443', 'https://example.com'],
    ['http://example.com:80', 'http://example.com'],
    ['https://example.com:80', 'https://example.com:80'],
    ['http://[0:0::1]:3000', 'http://[::1]:3000'],
    ['https://münchen.example', 'https://xn--mnchen-3ya.example'],
    ['Capacitor://LOCALHOST', 'capacitor://localhost'],
  ])('is compared in its usual form: %s', (text, origin) => {
    expect(toOrigin(text)).toBe(origin)
  })

  it.each([
    'null',
    '',
    'https://',
    'https://a b',
    'https://a/',
    'https://a?b',
    'https://[::1',
    'https://a:99999',
    'a:b',
  ])('is not: %j', text => {
    expect(toOrigin(text)).toBeUndefined()
  })
})
