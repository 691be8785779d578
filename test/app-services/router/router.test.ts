import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import express from 'express'
import type { Express } from 'express'
import { App, Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { API, APP, ask, LOGIN, post } from '../support/ask.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()

const start = (options?: RealmServiceOptions): Promise<RealmService> => startRealmService(database, options)

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
