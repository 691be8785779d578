import cors from 'cors'
import express from 'express'
import type { Express, RequestHandler } from 'express'
import { Passport } from 'passport'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

const database = useDatabase()
const PAGE = 'https://app.example.com'

type UserData = ReturnType<typeof createTestUserData>

/** Each guard that can answer 401. */
const GUARDS: Record<string, (userData: UserData) => RequestHandler[]> = {
  'authenticate()': userData => [userData.authenticate()],
  'strategy()': userData => [
    new Passport()
      .use(userData.strategy())
      .authenticate('custom-user-data', { session: false, failWithError: true }) as RequestHandler,
  ],
  'allow() behind optional: true': userData => [
    userData.authenticate({ optional: true }),
    userData.allow(() => true),
  ],
}

function start(guards: (userData: UserData) => RequestHandler[], before: RequestHandler[] = []) {
  const userData = createTestUserData(database)
  const events = recordEvents(userData)
  const app = express()
  for (const handler of [...before, ...guards(userData)]) app.use(handler)
  app.use((_req, res) => void res.json({}))
  app.use(userData.errorHandler())
  return { app, events }
}

const preflight = (app: Express, path = '/orders') =>
  request(app).options(path).set({ Origin: PAGE, 'Access-Control-Request-Method': 'PUT' })

describe.each(Object.entries(GUARDS))('a CORS preflight at %s', (_name, guards) => {
  it('is refused with 401 like any request without a token, and the first one warns with the line to move', async () => {
    const { app, events } = start(guards)
    for (let i = 0; i < 2; i++) expect((await preflight(app)).status).toBe(401)
    expect(events).toEqual([
      {
        name: 'warning',
        code: 'preflight_refused',
        message: expect.stringMatching(
          /PUT \/orders .* Move the line app\.use\(cors\(\{ origin: 'https:\/\/app\.example\.com' \}\)\) above the guard/,
        ),
      },
    ])
  })

  it('is answered by cors() before the guard, and nothing warns', async () => {
    const { app, events } = start(guards, [cors({ origin: PAGE })])
    const answer = await preflight(app)
    expect(answer.status).toBe(204)
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': PAGE })
    expect(events).toEqual([])
  })

  it('passes with a valid token, and other requests without a token do not warn', async () => {
    const { app, events } = start(guards)
    expect((await preflight(app).auth(forgeToken(), { type: 'bearer' })).status).toBe(200)
    expect((await request(app).options('/orders')).status).toBe(401)
    expect((await request(app).get('/orders').set('Origin', PAGE)).status).toBe(401)
    expect(events).toEqual([])
  })
})

it('the warning repeats neither a token in the path nor a method of another form', async () => {
  const { app, events } = start(GUARDS['authenticate()']!)
  await preflight(app, '/reset/0123456789abcdef0123').set({
    Origin: 'null',
    'Access-Control-Request-Method': 'PUT <b>',
  })
  const [{ message }] = events as [{ message: string }]
  expect(message).toContain('may send a request /reset/[removed] (')
})

it('the warning names the origin of the client only outside of the line of code, and with 200 characters at most', async () => {
  const { app, events } = start(GUARDS['authenticate()']!)
  const origin = `https://evil.example/${'a'.repeat(5000)}`
  await preflight(app).set({ Origin: origin })
  const [{ message }] = events as [{ message: string }]
  expect(message).toContain("app.use(cors({ origin: 'https://app.example.com' }))")
  expect(message).toContain(`"${origin.slice(0, 200)}"`)
  expect(message.length).toBeLessThan(1000)
})

it.each<[string, (app: Express) => request.Test]>([
  ['a GET', app => request(app).get('/').set('Origin', PAGE)],
  ['a question without an origin', app => request(app).options('/')],
])('the warning is not used up by %s, which no browser sends as a preflight', async (_title, ask) => {
  const { app, events } = start(GUARDS['authenticate()']!)
  expect((await ask(app).set('Access-Control-Request-Method', 'PUT')).status).toBe(401)
  expect(events).toEqual([])
  await preflight(app)
  expect(events).toMatchObject([{ code: 'preflight_refused' }])
})

it('a request without headers, as a test makes it by hand, is refused and does not warn', async () => {
  const userData = createTestUserData(database)
  const events = recordEvents(userData)
  const guard = userData.authenticate()
  const error = await new Promise<unknown>(resolve => {
    void guard({} as never, {} as never, resolve)
  })
  expect(error).toMatchObject({ code: 'missing_token' })
  expect(events).toEqual([])
})
