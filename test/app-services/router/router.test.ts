import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import cors from 'cors'
import express from 'express'
import type { Express } from 'express'
import { App, Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()
const API = '/api/client/v2.0'
const APP = `${API}/app/${APP_ID}`
const LOGIN = `${APP}/auth/providers/anon-user/login`
const PAGE = 'https://app.example.com'

const start = (options?: RealmServiceOptions): Promise<RealmService> => startRealmService(database, options)

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

async function ask({ baseUrl }: RealmService, path: string, options: RequestInit = {}): Promise<Answer> {
  const answer = await fetch(baseUrl + path, options)
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  }
}

const post = (
  service: RealmService,
  path: string,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
) =>
  ask(service, path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body instanceof ReadableStream && ({ duplex: 'half' } as object)),
  })

/** Sends raw lines, and resolves to what comes back until the server closes the connection. */
async function sendLines({ origin }: RealmService, lines: readonly string[]): Promise<string> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.write(lines.join('\r\n'))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('utf8')
}

test.each(['/realm', ''])('realm-web works with the router at the path "%s"', async mountPath => {
  const service = await start({ mountPath })
  const user = await service.newClient().logIn(Credentials.anonymous())
  await user.refreshAccessToken()
  expect((await fetch(`${service.origin}/elsewhere`)).status).toBe(404)
})

test.each<[string, (app: Express) => void]>([
  ['express.json()', app => app.use(express.json())],
  ['express.json() for other types', app => app.use(express.json({ type: 'application/vnd.api+json' }))],
  ['express.urlencoded()', app => app.use(express.urlencoded({ extended: true }))],
  ['express.text() for all types', app => app.use(express.text({ type: '*/*' }))],
  ['express.raw() for all types', app => app.use(express.raw({ type: '*/*' }))],
  ['all parsers', app => app.use(express.json(), express.urlencoded({ extended: false }), express.text())],
])('realm-web works behind %s', async (_name, before) => {
  const service = await start({ before })
  const client = service.newClient()
  const user = await client.logIn(Credentials.anonymous())
  await user.refreshAccessToken()
  await user.refreshProfile()
  const sessions = await service.userData.sessions(user.id)
  // The device is in the body of the login, so the body was read.
  expect(sessions[0]?.device).toMatch(/node/i)
  await user.logOut()
})

test('a body over the limit of a parser of the app is refused, and the client does not repeat it', async () => {
  const service = await start({ before: app => app.use(express.json({ limit: 10 })) })
  await expect(service.newClient().logIn(Credentials.anonymous())).rejects.toMatchObject({ statusCode: 413 })
  expect(service.requests.filter(({ name }) => name.endsWith('/login'))).toHaveLength(1)
})

test('a body that another middleware has read without a trace is a reported error of the server', async () => {
  const service = await start({
    before: app =>
      app.use((req, _res, next) => {
        req.resume().on('end', next)
      }),
  })
  expect(await post(service, LOGIN, '{}')).toMatchObject({
    status: 500,
    body: { error_code: 'InternalServerError', error: 'internal server error' },
  })
})

test.each([false, true])('no header of a request reaches the location (trust proxy: %s)', async trust => {
  const service = await start({ before: app => app.set('trust proxy', trust) })
  const answer = await ask(service, `${APP}/location`, {
    headers: {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example',
    },
  })
  expect(answer.body).toEqual({
    deployment_model: 'LOCAL',
    location: 'LOCAL',
    hostname: service.baseUrl,
    ws_hostname: service.baseUrl.replace('http', 'ws'),
  })
  const raw = await sendLines(service, [
    `GET /realm${APP}/location HTTP/1.1`,
    'Host: evil.example',
    'Connection: close',
    '',
    '',
  ])
  expect(raw).toContain(service.baseUrl)
  expect(raw).not.toContain('evil')
})

test('an unknown app id is 404, and the client rejects', async () => {
  const service = await start()
  const answer = await ask(service, `${API}/app/other/location`)
  expect(answer).toMatchObject({ status: 404, body: { error: 'cannot find an app with this client app id' } })
  const client = new App({ id: 'other-app', baseUrl: service.baseUrl })
  await expect(client.logIn(Credentials.anonymous())).rejects.toMatchObject({ statusCode: 404 })
})

test.each([
  ['GET', LOGIN],
  ['PATCH', `${API}/auth/session`],
  ['PUT', `${API}/auth/profile`],
  ['POST', `${API}/auth/nothing`],
  ['GET', API],
  ['GET', '/api/client/v1.0/app/x/location'],
  ['GET', '/api/client'],
])('%s %s has no route, which is 404 as JSON', async (method, path) => {
  const { status, headers, body } = await ask(await start(), path, { method })
  expect(status).toBe(404)
  expect(headers.get('content-type')).toBe('application/json')
  expect(body).toEqual({ error: `there is no route for this ${method}`, error_code: 'BadRequest' })
})

test('HEAD has no routes, because a GET route may open a stream', async () => {
  const { status, body } = await ask(await start(), `${APP}/location`, { method: 'HEAD' })
  expect([status, body]).toEqual([404, undefined])
})

test('a path that cannot be decoded is 400 as JSON', async () => {
  const { status, headers, body } = await ask(await start(), `${API}/app/%E0%A4%A/location`)
  expect([status, headers.get('content-type')]).toEqual([400, 'application/json'])
  expect(body).toMatchObject({ error_code: 'BadRequest' })
})

test('other paths are left to the app', async () => {
  const service = await start({
    before: app => app.get('/realm/health', (_req, res) => res.json({ ok: true })),
  })
  expect((await ask(service, '/health')).body).toEqual({ ok: true })
  expect((await fetch(`${service.baseUrl}/api/other`)).headers.get('content-type')).toContain('text/html')
})

test('the content type is exactly application/json, and an empty answer has none', async () => {
  const service = await start({
    before: app =>
      app.use((_req, res, next) => {
        res.type('html')
        next()
      }),
  })
  const { headers } = await ask(service, `${APP}/location`)
  expect(headers.get('content-type')).toBe('application/json')
  expect(headers.get('cache-control')).toBe('no-store')
  const empty = await ask(service, `${API}/auth/session`, { method: 'DELETE' })
  expect([empty.status, empty.headers.get('content-type')]).toEqual([204, null])
})

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
test.each([
  ['malformed JSON', '{"a"', 400, 'BadRequest'],
  ['a list', '[]', 400, 'BadRequest'],
  ['a text', '"text"', 400, 'BadRequest'],
  ['a member __proto__', '{"options":{"__proto__":{"device":1}}}', 400, 'BadRequest'],
  ['200 levels', deep(200), 400, 'BadRequest'],
  ['2 MB', JSON.stringify({ a: 'x'.repeat(2_000_000) }), 413, 'ReadSizeLimitExceeded'],
  ['100,001 values', JSON.stringify({ a: Array(100_001).fill(0) }), 413, 'ReadSizeLimitExceeded'],
])('a body of %s is refused, and the next request works', async (_name, body, status, code) => {
  const service = await start()
  for (const sent of [body, new Blob([body]).stream()]) {
    const answer = await post(service, LOGIN, sent)
    expect(answer).toMatchObject({ status, body: { error_code: code } })
    expect(answer.headers.get('content-type')).toBe('application/json')
  }
  expect((await post(service, LOGIN, '{}')).status).toBe(200)
})

test('the error about malformed JSON does not repeat the body', async () => {
  const { body } = await post(await start(), LOGIN, '{"password":"s3cret"')
  expect(JSON.stringify(body)).not.toContain('s3cret')
})

test('a compressed body is refused, unless a parser of the app has read it', async () => {
  const body = gzipSync('{}')
  const gzip = { 'content-encoding': 'gzip' }
  expect(await post(await start(), LOGIN, body, gzip)).toMatchObject({ status: 415 })
  const service = await start({ before: app => app.use(express.json()) })
  expect(await post(service, LOGIN, body, gzip)).toMatchObject({ status: 200 })
})

test('a chunked body and a missing body are read', async () => {
  const service = await start()
  expect(await post(service, LOGIN, new Blob(['{}']).stream())).toMatchObject({ status: 200 })
  expect(await ask(service, LOGIN, { method: 'POST' })).toMatchObject({ status: 200 })
})

test('a request that is aborted in its body creates no user, and is no error of the server', async () => {
  const service = await start()
  const users = database.db.collection('custom_user_data_app_services_users')
  const before = await users.countDocuments()
  const socket = connect(Number(new URL(service.origin).port), '127.0.0.1')
  socket.write(
    [
      `POST /realm${LOGIN} HTTP/1.1`,
      'Host: x',
      'Content-Type: application/json',
      'Content-Length: 50',
      '',
      '{"a',
    ].join('\r\n'),
  )
  await expect.poll(() => service.requests).toHaveLength(1)
  socket.destroy()
  await expect.poll(() => service.requests[0]?.status()).toBe(400)
  expect(await users.countDocuments()).toBe(before)
})

const corsOf = ({ headers }: Answer) => ({
  origin: headers.get('access-control-allow-origin'),
  exposed: headers.get('access-control-expose-headers'),
  vary: headers.get('vary'),
})

test('a preflight of an allowed origin allows what the client sends', async () => {
  const service = await start({ service: { allowedOrigins: [PAGE] } })
  const { status, headers } = await ask(service, LOGIN, {
    method: 'OPTIONS',
    headers: {
      origin: PAGE,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    },
  })
  expect(status).toBe(204)
  expect(headers.get('access-control-allow-origin')).toBe(PAGE)
  expect(headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE')
  expect(headers.get('access-control-allow-headers')).toBe('authorization, content-type, accept')
  expect(headers.get('vary')).toBe('Origin')
})

test.each<[string, string, RequestInit, number]>([
  ['a success', `${APP}/location`, {}, 200],
  ['an error', `${API}/auth/profile`, {}, 401],
  ['an unknown path', `${API}/nothing`, {}, 404],
  ['an unknown version', '/api/client/v9', {}, 404],
  ['a path that cannot be decoded', `${API}/app/%E0%A4%A/location`, {}, 400],
  ['a large body', LOGIN, { method: 'POST', body: 'x'.repeat(2_000_000) }, 413],
])('%s can be read by pages of allowed origins alone', async (_name, path, options, status) => {
  const one = await start({ service: { allowedOrigins: [PAGE] } })
  const from = (service: RealmService, origin: string) =>
    ask(service, path, { ...options, headers: { origin } })
  const allowed = await from(one, PAGE)
  expect(allowed.status).toBe(status)
  expect(corsOf(allowed)).toEqual({ origin: PAGE, exposed: 'Retry-After', vary: 'Origin' })
  expect(corsOf(await from(one, 'https://evil.example'))).toEqual({
    origin: null,
    exposed: null,
    vary: 'Origin',
  })
  const all = await start({ service: { allowedOrigins: '*' } })
  expect(corsOf(await from(all, 'null'))).toEqual({ origin: '*', exposed: 'Retry-After', vary: null })
})

test('a page of a packaged app can be an allowed origin', async () => {
  const origin = 'capacitor://localhost'
  const service = await start({ service: { allowedOrigins: [origin] } })
  expect(corsOf(await ask(service, `${APP}/location`, { headers: { origin } })).origin).toBe(origin)
})

test.each([
  'https://app.example.com/',
  'app.example.com',
  'https://app.example.com/path',
  'null',
  '*.example.com',
])('the origin %s is refused as an option', async origin => {
  await expect(start({ service: { allowedOrigins: [origin] } })).rejects.toThrow('allowedOrigins')
})

test.each<[string, cors.CorsOptions, string]>([
  ['one origin', { origin: [PAGE], exposedHeaders: ['X-Trace'] }, PAGE],
  ['its own origin', { origin: true, credentials: true }, PAGE],
  ['all origins', {}, '*'],
])('the headers of cors() of the app for %s are neither doubled nor lost', async (_name, options, origin) => {
  for (const allowedOrigins of [[PAGE], '*' as const]) {
    const service = await start({
      service: { allowedOrigins },
      before: app =>
        app.use((_req, res, next) => {
          res.vary('Accept-Encoding')
          next()
        }, cors(options)),
    })
    const answer = await ask(service, `${APP}/location`, { headers: { origin: PAGE } })
    const { origin: given, exposed, vary } = corsOf(answer)
    expect(given).toBe(origin)
    const exposedNames = exposed?.split(/, ?/)
    expect(exposedNames).toContain('Retry-After')
    if (options.exposedHeaders) expect(exposedNames).toContain('X-Trace')
    const names = vary?.split(/, ?/).map(name => name.toLowerCase()) ?? []
    expect(names).toContain('accept-encoding')
    expect(new Set(names).size).toBe(names.length)
    const preflight = await ask(service, LOGIN, {
      method: 'OPTIONS',
      headers: { origin: PAGE, 'access-control-request-method': 'DELETE' },
    })
    expect([preflight.status, corsOf(preflight).origin]).toEqual([204, origin])
  }
})

test('an answer that another middleware has sent meanwhile stays', async () => {
  const service = await start({
    before: app =>
      app.use((req, res, next) => {
        next()
        if (req.method === 'POST') res.status(408).json({ error: 'too late' })
      }),
  })
  const users = database.db.collection('custom_user_data_app_services_users')
  const before = await users.countDocuments()
  expect(await post(service, LOGIN, '{}')).toMatchObject({ status: 408, body: { error: 'too late' } })
  // The login goes on meanwhile, and must not fail when it finds the answer sent.
  await expect.poll(() => users.countDocuments()).toBe(before + 1)
  await expect.poll(() => service.userData.stats().operations.authenticateLogin).toEqual({ ok: 1 })
  expect((await ask(service, `${APP}/location`)).status).toBe(200)
})
