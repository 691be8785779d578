import cors from 'cors'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { API, APP, ask, LOGIN } from '../support/ask.js'
import type { Answer } from '../support/ask.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()

const start = (options?: RealmServiceOptions): Promise<RealmService> => startRealmService(database, options)

const PAGE = 'https://app.example.com'

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

test.each([
  'https://app.example.com/',
  'app.example.com',
  'https://app.example.com/path',
  'null',
  '*.example.com',
])('the origin %s is refused as an option', async origin => {
  await expect(start({ service: { allowedOrigins: [origin] } })).rejects.toThrow('allowedOrigins')
})
