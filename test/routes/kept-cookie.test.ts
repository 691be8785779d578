import express from 'express'
import type { Express } from 'express'
import type { RefreshCookieOptions } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createSessionApp, recordEvents } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

const HOST = 'app.example.com'
const ALLOWED = 'https://shop.example.net'

interface Setting {
  cookie?: RefreshCookieOptions
  /** Where the app mounts the routes. */
  at?: string
}

function start({ cookie = {}, at = '/' }: Setting = {}) {
  const options = { refreshTokenTransport: { cookie }, allowedOrigins: [ALLOWED] }
  const userData = createTestUserData(database, options)
  const events = recordEvents(userData)
  return { app: express().use(at, createSessionApp(userData)), events }
}

/** The request names the address of the app itself, as it does without a proxy. */
const DIRECT = { Host: 'direct' }

function logIn(app: Express, headers: Record<string, string>, path = '/login') {
  const { Host = HOST, ...others } = headers
  const named = Host === DIRECT.Host ? others : { Host, ...others }
  return request(app).post(path).set(named).send({ user: 'alice' })
}

/** Fails unless the login was refused, opened no session, and two of them gave one warning. */
async function expectNotKept(
  setting: Setting,
  headers: Record<string, string>,
  found: string,
  path?: string,
): Promise<void> {
  const { app, events } = start(setting)
  database.commands.clear()
  // RFC 6749 5.2 allows no double quotes in the answer.
  const described = found.replaceAll('"', "'")
  for (let i = 0; i < 2; i++) {
    const answer: Response = await logIn(app, headers, path)
    expect(answer).toMatchObject({
      status: 400,
      body: { error: 'cookie_not_kept', error_description: expect.stringContaining(described) },
    })
    expect(answer.headers).not.toHaveProperty('set-cookie')
  }
  expect(database.commands.named('find', 'findAndModify', 'update', 'insert')).toHaveLength(0)
  expect(events).toEqual([
    { name: 'warning', code: 'cookie_not_kept', message: expect.stringContaining(found) },
  ])
}

/** What a browser sends with a request of the app's own page. */
const PAGE = { 'Sec-Fetch-Site': 'same-origin' }

async function expectKept(setting: Setting, headers: Record<string, string>, path?: string): Promise<void> {
  const { app, events } = start(setting)
  expect((await logIn(app, headers, path)).status).toBe(200)
  expect(events).toMatchObject([{ name: 'login' }])
}

describe('a login opens no session and says why, if the request shows that its page came by http', () => {
  it.each([
    'app.example.com',
    'app.example.com:3000',
    '192.168.0.7:3000',
    'localhost.example.com',
    '128.0.0.1',
  ])('on a host that is not loopback: %s', host =>
    expectNotKept({}, { Host: host, Origin: `http://${host}` }, 'opened by http'),
  )

  it.each(['localhost', 'localhost:3000', 'a.localhost:3000', '127.0.0.1:3000', '127.1.2.3', '[::1]:3000'])(
    'but not on loopback, where browsers keep the cookie: %s',
    host => expectKept({}, { Host: host, Origin: `http://${host}` }),
  )

  it.each<Record<string, string>>([
    { Origin: `http://${HOST}`, 'X-Forwarded-Proto': 'https' },
    { Origin: `http://${HOST}`, Forwarded: 'for=192.0.2.1;proto=https' },
    { Origin: `https://${HOST}`, 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'same-origin' },
    {},
  ])('but not if the browser or a proxy shows TLS, or no page sent the request: %j', headers =>
    expectKept({}, headers),
  )
})

describe('a login opens no session if the domain of the cookie does not fit the host', () => {
  it.each([
    ['example.net', 'app.example.com'],
    ['b.example.com', 'a.example.com'],
    ['app.example.com', 'example.com'],
    ['ample.com', 'example.com'],
    ['com', 'example.com'],
    ['localhost', 'a.localhost'],
    ['example.com', 'localhost:3000'],
    ['0.0.1', '127.0.0.1:3000'],
  ])('%s at %s', (domain, host) =>
    expectNotKept({ cookie: { domain } }, { ...PAGE, Host: host }, `domain "${domain}"`),
  )

  it.each([
    ['example.com', 'app.example.com'],
    ['example.com', 'EXAMPLE.com:8080'],
    ['.Example.com', 'a.b.example.com'],
    ['localhost', 'localhost:3000'],
    ['127.0.0.1', '127.0.0.1:3000'],
  ])('but not %s at %s', (domain, host) => expectKept({ cookie: { domain } }, { ...PAGE, Host: host }))

  it.each<Record<string, string>>([
    { ...PAGE, 'X-Forwarded-Host': 'app.example.com' },
    { ...PAGE, Origin: 'https://app.example.com' },
  ])('but not if a proxy has changed the host, as other headers show: %j', headers =>
    expectKept({ cookie: { domain: 'example.com' } }, { Host: 'backend:3000', ...headers }),
  )

  it('but not if an older browser says by Origin alone that the page is below the domain', () =>
    expectKept({ cookie: { domain: 'example.net' } }, { Host: 'backend:3000', Origin: ALLOWED }))

  it('but only warns of a client that is no page, for example a service inside of the network', async () => {
    const { app, events } = start({ cookie: { domain: 'example.com' } })
    for (let i = 0; i < 2; i++) expect((await logIn(app, { Host: 'backend:3000' })).status).toBe(200)
    expect(events).toMatchObject([
      { name: 'warning', code: 'cookie_not_kept' },
      { name: 'login' },
      { name: 'login' },
    ])
  })

  it('also if the page of another site is below the domain', () =>
    expectNotKept(
      { cookie: { domain: 'example.net', sameSite: 'none' } },
      { Origin: ALLOWED, 'Sec-Fetch-Site': 'cross-site' },
      'domain "example.net"',
    ))
})

describe('a login opens no session if its path differs from the path of the cookie in the case of letters', () => {
  it.each([
    ['/auth', '/auth', '/AUTH/login'],
    ['/Auth', '/auth', '/auth/login'],
    ['/auth/', '/auth', '/Auth/login'],
  ])('cookie %s, app at %s, request %s', (path, at, asked) =>
    expectNotKept({ cookie: { path }, at }, PAGE, `path "${path}"`, asked),
  )

  it.each([
    ['/auth', '/auth', '/auth/login?a=b'],
    ['/auth/', '/auth', '/auth/login'],
    ['/auth/login', '/auth', '/auth/login'],
    ['/', '/auth', '/AUTH/login'],
  ])('but not with cookie %s, app at %s, request %s', (path, at, asked) =>
    expectKept({ cookie: { path }, at }, PAGE, asked),
  )

  it('but not behind a proxy, which may have removed the beginning of the path', () =>
    expectKept({ cookie: { path: '/api/auth' } }, { ...PAGE, 'X-Forwarded-For': '192.0.2.1' }))

  it.each([
    ['/auth', '/', '/login'],
    ['/auth', '/auth', '/AUTH/login'],
    ['/auth', '/authentication', '/authentication/login'],
  ])('also in any other way without a proxy: cookie %s, app at %s, request %s', async (path, at, asked) => {
    const setting = { cookie: { path }, at }
    await expectNotKept(setting, DIRECT, `path "${path}"`, asked)
    await expectNotKept(setting, { ...DIRECT, 'Sec-Fetch-Site': 'same-origin' }, `path "${path}"`, asked)
    await expectNotKept(
      setting,
      { ...DIRECT, Origin: ALLOWED, 'Sec-Fetch-Site': 'same-site' },
      `path "${path}"`,
      asked,
    )
  })

  it('but not if the page is of another host than the request, so that a proxy changed the host', async () => {
    const { app } = start({ cookie: { path: '/api/auth' } })
    const page = { ...DIRECT, Origin: ALLOWED, 'Sec-Fetch-Site': 'same-origin' }
    expect((await logIn(app, page)).status).toBe(200)
  })

  it.each([
    ['/auth', '/', '/login'],
    ['/api/auth', '/auth', '/auth/login'],
    ['/auth', '/authentication', '/authentication/login'],
  ])(
    'but only warns, once, of any other path that a proxy without headers may have changed: cookie %s, app at %s, request %s',
    async (path, at, asked) => {
      const { app, events } = start({ cookie: { path }, at })
      for (let i = 0; i < 2; i++) expect((await logIn(app, PAGE, asked)).status).toBe(200)
      const message = expect.stringMatching(`^The browser may not keep .*path "${path}"`) as string
      expect(events.filter(({ name }) => name === 'warning')).toEqual([
        { name: 'warning', code: 'cookie_not_kept', message },
      ])
    },
  )
})

describe('a login opens no session if its page is of another site', () => {
  const same = { Origin: `https://${HOST}`, 'Sec-Fetch-Site': 'same-origin' }
  const other = { Origin: ALLOWED, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }

  it.each(['strict', 'lax'] as const)('with SameSite=%s', async sameSite => {
    for (const headers of [
      other,
      { ...same, 'Sec-Fetch-Storage-Access': 'none' },
      { ...same, 'Sec-Fetch-Storage-Access': 'active' },
    ])
      await expectNotKept({ cookie: { sameSite } }, headers, 'sameSite: "none"')
  })

  it.each(['none', 'inactive'])('with SameSite=None, in a browser that keeps no cookies there: %s', access =>
    expectNotKept(
      { cookie: { sameSite: 'none' } },
      { ...other, 'Sec-Fetch-Storage-Access': access },
      'keeps no cookies there',
    ),
  )

  it('but not with SameSite=None, if the browser does not say that it keeps no cookies there', async () => {
    await expectKept({ cookie: { sameSite: 'none' } }, other)
    await expectKept({ cookie: { sameSite: 'none' } }, { ...other, 'Sec-Fetch-Storage-Access': 'active' })
  })

  it('but not if the answer is shown as a page of its own', () =>
    expectKept({}, { ...other, 'Sec-Fetch-Mode': 'navigate' }))
})

it('a refresh without the cookie says if the path of the request cannot get it, and warns once', async () => {
  const { app, events } = start({ cookie: { path: '/auth' }, at: '/auth' })
  for (let i = 0; i < 2; i++) {
    const answer = await request(app)
      .post('/AUTH/refresh')
      .set({ Host: HOST, ...PAGE })
    expect(answer).toMatchObject({
      status: 401,
      body: { error: 'missing_refresh_token', error_description: expect.stringContaining("path '/auth'") },
    })
  }
  expect(events).toMatchObject([{ name: 'warning', code: 'cookie_not_kept' }])
  expect((await request(app).post('/auth/refresh').set('Host', HOST)).text).toContain('Log in.')
})

it('logins with refresh tokens in the JSON work over http, because no cookie has to be kept', async () => {
  const app = createSessionApp(createTestUserData(database))
  expect((await logIn(app, { Origin: `http://${HOST}` })).status).toBe(200)
})
