import express from 'express'
import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { RefreshCookieOptions } from 'express-custom-user-data'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { toOrigin } from '../../lib/routes/request-origin.js'
import { useDatabase } from '../support/database.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

interface Setting {
  cookie?: RefreshCookieOptions
  /** The setting `trust proxy` of Express. */
  trust?: unknown
}

function start({ cookie = {}, trust }: Setting = {}): Express {
  const app = createSessionApp(createTestUserData(database, { refreshTokenTransport: { cookie } }))
  return trust === undefined ? app : express().set('trust proxy', trust).use(app)
}

/** Sends a form as a page can make a browser send it, without permission by CORS. Gives the answer's status. */
async function logIn(app: Express, headers: Record<string, string>): Promise<number> {
  const answer = await request(app).post('/login').type('form').set(headers).send({ user: 'mallory' })
  if (answer.status === 200) return 200
  expect(answer.body).toMatchObject({ error: 'invalid_request' })
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
    expect(await logIn(start(), { Origin: origin, Host: host })).toBe(400)
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
      expect(await logIn(start(), at)).toBe(400)
      expect(await logIn(start(), { ...at, Origin: 'null' })).toBe(400)
      expect(await logIn(start(), { ...at, Origin: 'http://blog.example.com' })).toBe(400)
      expect(await logIn(start(), { ...at, Origin: 'http://app.example.com:8080' })).toBe(400)
      expect(await logIn(start(), { ...at, Origin: 'http://app.example.com' })).toBe(200)
    },
  )
})

describe('behind a proxy', () => {
  const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'app.example.com' }

  it('its own origin is the one that a trusted proxy has forwarded', async () => {
    const app = start({ trust: 'loopback' })
    const at = { Host: 'internal:3000', ...forwarded }
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com' })).toBe(200)
    expect(await logIn(app, { ...at, Origin: 'http://internal:3000' })).toBe(400)
    expect(await logIn(app, { ...at, Origin: 'http://app.example.com' })).toBe(400)
  })

  it('the port is kept, and of several hosts the first counts', async () => {
    const app = start({ trust: 1 })
    const at = {
      Host: 'internal',
      ...forwarded,
      'X-Forwarded-Host': 'App.example.com:8443 , inner.example.com',
    }
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com:8443' })).toBe(200)
    expect(await logIn(app, { ...at, Origin: 'https://app.example.com' })).toBe(400)
    expect(await logIn(app, { ...at, Origin: 'https://inner.example.com' })).toBe(400)
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
      expect(await logIn(app, { ...at, Origin: 'https://attacker.example' })).toBe(400)
      expect(await logIn(app, { ...at, Origin: 'http://attacker.example' })).toBe(400)
      expect(await logIn(app, { ...at, Origin: 'http://app.example.com' })).toBe(200)
    },
  )
})

describe('allowedOrigins', () => {
  const allowedOrigins = ['https://APP.example.com:443', 'http://localhost:5173', 'capacitor://localhost']
  const app = () => start({ cookie: { sameSite: 'none', allowedOrigins } })

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
    expect(await logIn(app(), at)).toBe(400)
    expect(await logIn(app(), { ...at, 'Sec-Fetch-Site': 'cross-site' })).toBe(400)
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
    const create = () => start({ cookie: { allowedOrigins: [value as string] } })
    expect(create).toThrow(OptionError)
    expect(create).toThrow('refreshTokenTransport.cookie.allowedOrigins.0": write ')
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
