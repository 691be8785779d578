import { AsyncLocalStorage } from 'node:async_hooks'
import express from 'express'
import type { Express, Router } from 'express'
import { CustomUserDataError } from 'express-custom-user-data'
import type {
  CustomUserDataOptions,
  Hooks,
  RequestFailedEvent,
  VerifyCredentials,
} from 'express-custom-user-data'
import request from 'supertest'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { onError } from '../support/http.js'
import { ODD_THROWS } from '../support/odd-throws.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
afterEach(() => {
  vi.restoreAllMocks()
})

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>
const CREDENTIALS = { email: 'alice@example.com', password: 'hunter2 "quoted"', pin: 4711, code: 'x' }
const boom = (): never => {
  throw new TypeError('the directory is down')
}

/** An app whose login calls `verify`, and the failures that its instance has reported. */
function start(verify: unknown = () => ({ id: 'alice' }), options: Options = {}) {
  const userData = createTestUserData(database, options)
  const failed: RequestFailedEvent[] = []
  userData.events.on('request_failed', event => failed.push(event))
  const app = express().post('/login', userData.login(verify as VerifyCredentials))
  return { app, userData, failed }
}

const logIn = (app: Express, body: object = CREDENTIALS) => request(app).post('/login').send(body)

describe('a login that fails is the event request_failed', () => {
  it.each<[string, unknown, Hooks, string]>([
    [
      'verifyCredentials throws',
      boom,
      {},
      'verifyCredentials failed. Caused by TypeError: the directory is down',
    ],
    [
      'verifyCredentials rejects',
      () => Promise.reject(new Error('down')),
      {},
      'verifyCredentials failed. Caused by Error: down',
    ],
    [
      'verifyCredentials returns true',
      () => true,
      {},
      'verifyCredentials must return null or { id }, a text of 1 to 255 characters',
    ],
    [
      'verifyCredentials returns a number as id',
      () => ({ id: 5 }),
      {},
      'verifyCredentials must return null or { id }',
    ],
    [
      'beforeLogin throws',
      undefined,
      { beforeLogin: boom },
      'beforeLogin failed. Caused by TypeError: the directory is down',
    ],
    [
      'createCustomData throws',
      undefined,
      { createCustomData: boom },
      'createCustomData failed. Caused by TypeError: the directory is down',
    ],
    [
      'createCustomData returns a text',
      undefined,
      { createCustomData: () => 'en' as never },
      'createCustomData must return a document, false, or nothing',
    ],
    [
      'createCustomData returns an operator',
      undefined,
      { createCustomData: () => ({ _id: [1] }) },
      'The document of createCustomData cannot be inserted',
    ],
  ])('once, with route, code and the good message, if %s', async (_what, verify, hooks, message) => {
    const { app, failed } = start(verify, { hooks })
    const answer = await logIn(app)
    expect(answer.status).toBe(500)
    expect(answer.text).not.toContain('directory')
    expect(failed).toEqual([
      {
        code: 'callback_failed',
        status: 500,
        route: 'POST /login',
        name: 'CustomUserDataError',
        message: expect.stringContaining(message),
        stack: expect.stringMatching(/^CustomUserDataError: /),
      },
    ])
  })

  it('whose stack leads to the callback', async () => {
    const { app, failed } = start(boom)
    await logIn(app)
    expect(failed[0]!.stack).toMatch(
      /Caused by TypeError: the directory is down\n\s+at boom .*failure-reports\.test\.ts/,
    )
  })

  it('also for an error of this package with a 5xx code that the callback throws, and for a timeout', async () => {
    const away = start(() => {
      throw new CustomUserDataError('credentials_unavailable', 'The directory is away.', {
        cause: new Error('ECONNRESET'),
      })
    })
    expect((await logIn(away.app)).status).toBe(503)
    expect(away.failed).toMatchObject([
      {
        code: 'credentials_unavailable',
        status: 503,
        message: 'The directory is away. Caused by Error: ECONNRESET',
      },
    ])
    const slow = start(() => new Promise(() => undefined), { verifyCredentialsTimeoutMs: 1 })
    expect((await logIn(slow.app)).status).toBe(503)
    expect(slow.failed).toMatchObject([
      { code: 'credentials_unavailable', message: expect.stringContaining('verifyCredentials') },
    ])
  })

  it('and not if the login was refused', async () => {
    const { app, failed } = start(() => null)
    expect((await logIn(app)).status).toBe(401)
    expect((await request(app).post('/login').send({ email: [] })).status).toBe(400)
    expect(failed).toEqual([])
  })

  it.each(ODD_THROWS)('also if the callback throws $what', async ({ thrown }) => {
    const { app, failed } = start(() => {
      throw thrown
    })
    expect((await logIn(app)).status).toBe(500)
    expect(failed).toMatchObject([
      { code: 'callback_failed', message: expect.stringMatching(/^verifyCredentials failed\./) },
    ])
  })

  it('and ends no process if the callback has answered the request itself', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    for (const outcome of [null, { id: 'alice' }]) {
      const { app, failed } = start((_credentials: unknown, req: express.Request) => {
        req.res!.status(418).json({ theirs: true })
        return outcome
      })
      expect((await logIn(app)).status).toBe(418)
      await expect
        .poll(() => failed)
        .toMatchObject([
          {
            code: 'callback_failed',
            message: expect.stringContaining('login(): the request was answered already'),
          },
        ])
    }
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
})

describe('the description of a failure', () => {
  it('has none of the other members of the error, and is not the error', async () => {
    const { app, failed } = start(() => {
      throw Object.assign(new Error('refused'), { config: { auth: 'hunter2' }, response: {} })
    })
    await logIn(app)
    expect(Object.keys(failed[0]!).sort()).toEqual(['code', 'message', 'name', 'route', 'stack', 'status'])
    for (const value of Object.values(failed[0]!)) expect(['string', 'number']).toContain(typeof value)
  })

  it('has no credential of the login, however the callback quotes it', async () => {
    const { email, password } = CREDENTIALS
    const { app, failed } = start(() => {
      const quoted = `no user ${JSON.stringify(CREDENTIALS)} ${encodeURIComponent(password)} ${password}`
      throw new Error(quoted, { cause: new Error(`${email.toUpperCase()}, 4711, x`) })
    })
    await request(app).post('/login').query({ token: 'query-token' }).send(CREDENTIALS)
    const text = JSON.stringify(failed)
    expect(failed).toHaveLength(1)
    expect(text).not.toMatch(/alice|hunter2|4711|quoted|query-token/i)
    expect(failed[0]!.message).toMatch(/Caused by Error: \[removed\], \[removed\], \[removed\]$/)
  })

  it('has no token of the request, and no token from anywhere else', async () => {
    const refreshToken = 'a-session.a-refresh-token'
    const { app, failed, userData } = start((_body: unknown, req: express.Request) => {
      const { authorization, cookie, 'x-api-key': key } = req.headers
      throw new Error(`${authorization} ${cookie} ${String(key)} ${forgeToken()} mongodb://me:secret@host/db`)
    })
    app.post('/refresh', userData.refresh())
    await request(app)
      .post('/login')
      .set({
        Authorization: 'Bearer an-access-token',
        Cookie: 'a=1; sid=a-session-cookie',
        'X-Api-Key': 'a-key',
      })
      .send({ ...CREDENTIALS, refresh_token: refreshToken })
    const text = JSON.stringify(failed)
    expect(failed).toHaveLength(1)
    for (const secret of ['an-access-token', 'a-session-cookie', 'a-key', refreshToken, 'secret', 'eyJ']) {
      expect(text, secret).not.toContain(secret)
    }
  })

  it('takes the pattern of the route for its path, so that a token in the path is not shown', async () => {
    const { failed, userData } = start()
    const router: Router = express.Router().post('/magic/:token', userData.login(boom))
    const app = express().use('/auth', router)
    await request(app).post('/auth/magic/a-one-time-token?x=1').send(CREDENTIALS)
    expect(failed).toMatchObject([{ route: 'POST /auth/magic/:token' }])
  })

  it.each([
    ['of a route', 'POST /reset/:token', '/reset/SECRETtoken', '/reset/:token'],
    ['under any name', 'POST /reset/:id', '/reset/secrettoken/', '/reset/:id'],
    ['with an expression', 'POST /reset/:token([a-z]+)', '/reset/secrettoken', '/reset/:token'],
    ['that is encoded', 'POST /reset/:token', '/reset/secret%20token', '/reset/:token'],
    ['of a router', 'USE /invite/:token', '/invite/SECRETtoken123', '/invite/[removed]'],
    ['behind a wildcard', 'WILD', '/reset/SECRETtoken123/now', '/reset/[removed]/now'],
    ['that no route has taken', 'NONE', '/v1/reset/SECRETtoken123/now?x=1', '/v1/reset/[removed]/now'],
  ])('has no token in the path %s, also if errorHandler() answers', async (_which, route, path, shown) => {
    const { failed, userData } = start()
    const fail: express.RequestHandler = req => {
      const token = decodeURIComponent(/secret[^/?]*/i.exec(req.originalUrl)![0])
      throw new CustomUserDataError('closed', `no mail to ${token} or ${encodeURIComponent(token)}`)
    }
    const [method, pattern = ''] = route.split(' ')
    const app = express()
    if (method === 'USE') app.use(pattern, express.Router().post('/', fail))
    else if (method === 'WILD') app.post(/^\/reset\/(.*)/, fail)
    else if (method === 'NONE') app.use(fail)
    else if (pattern.includes('(')) app.use(withRoute(pattern), fail)
    else app.post(pattern, fail)
    app.use(userData.errorHandler())
    expect((await request(app).post(path)).status).toBe(503)
    expect(failed).toMatchObject([{ route: `POST ${shown}`, message: 'no mail to [removed] or [removed]' }])
    expect(JSON.stringify(failed)).not.toMatch(/secret/i)
  })

  it('of a body with many fields is short, and comes at once', async () => {
    const { app, failed } = start(boom)
    await logIn(app, Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`field${i}`, `value${i}`])))
    expect(failed).toMatchObject([{ code: 'callback_failed', message: expect.stringContaining('[removed]') }])
  })
})

describe('routes and guards', () => {
  const bearer = () => `Bearer ${forgeToken({ claims: validClaims('alice') })}`

  it('that hand a 5xx to next(err) are reported once, by errorHandler()', async () => {
    const { userData, failed } = start()
    const app = express()
      .get('/rule', userData.authenticate(), userData.allow(boom))
      .use('/me', (req, _res, next) => {
        req.user = {} as Express.User
        next()
      })
      .get('/me', userData.attach())
      .use('/own', userData.authenticate(), userData.ownData({ fields: ['a'], schema: brokenSchema }))
      .use(userData.errorHandler())
      .use(userData.errorHandler())
    expect((await request(app).get('/rule').set('Authorization', bearer())).status).toBe(500)
    expect((await request(app).get('/me')).status).toBe(500)
    await database.db.collection('custom_user_data').insertOne({ userId: 'alice' })
    expect((await request(app).patch('/own').set('Authorization', bearer()).send({ a: 1 })).status).toBe(500)
    expect(failed.map(({ code, route }) => `${code} ${route}`)).toEqual([
      'callback_failed GET /rule',
      'attach_misconfigured GET /me',
      'callback_failed PATCH /own',
    ])
    expect(failed[0]!.message).toBe('The rule of allow() failed. Caused by TypeError: the directory is down')
    expect(failed[1]!.message).toContain("attach() cannot tell the user's id: give it { userId: req => … }")
  })

  it('are not reported if an error handler of the app answers: it has the error', async () => {
    const { userData, failed } = start()
    const app = express()
      .get('/rule', userData.authenticate(), userData.allow(boom))
      .use(onError((_error, res) => res.status(500).end()))
    expect((await request(app).get('/rule').set('Authorization', bearer())).status).toBe(500)
    expect(failed).toEqual([])
  })

  it('report a MongoDB that is away on each route, with the cause', async () => {
    const proxied = await openProxiedDatabase(database, { serverSelectionTimeoutMS: 50 })
    const limits = { loadTimeoutMs: 100, sessionTimeoutMs: 100 }
    const userData = createTestUserData(proxied, limits)
    const failed: RequestFailedEvent[] = []
    userData.events.on('request_failed', event => failed.push(event))
    const app = express()
      .post(
        '/login',
        userData.login(() => ({ id: 'alice' })),
      )
      .post('/refresh', userData.refresh())
      .get('/me', userData.authenticate(), (_req, res) => res.end())
      .use(userData.errorHandler())
    const { refresh_token } = await createTestUserData(database).issueTokens('alice')
    proxied.proxy.cut()
    expect((await logIn(app)).status).toBe(503)
    expect((await request(app).post('/refresh').send({ refresh_token })).status).toBe(503)
    expect((await request(app).get('/me').set('Authorization', bearer())).status).toBe(503)
    expect(failed.map(({ route, status }) => `${status} ${route}`)).toEqual([
      '503 POST /login',
      '503 POST /refresh',
      '503 GET /me',
    ])
    for (const { message } of failed) expect(message).toContain('Caused by ')
    expect(JSON.stringify(failed)).not.toContain(refresh_token)
  })
})

describe('if nobody listens, a failure is printed', () => {
  it('as one line a minute for each code, with a count', async () => {
    const printed = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const clock = createManualClock()
    const userData = createTestUserData(database, { clock })
    const app = express()
      .post('/login', userData.login(boom))
      .post(
        '/busy',
        userData.login(() => {
          throw new CustomUserDataError('credentials_unavailable', 'Not\nnow, hunter2.')
        }),
      )
    for (let turn = 0; turn < 3; turn++) await logIn(app)
    await request(app).post('/busy').send({ password: 'hunter2' })
    clock.advance(60_000)
    await logIn(app)
    const lines = printed.mock.calls.map(([line]) => String(line))
    expect(lines).toEqual([
      expect.stringMatching(
        /^POST \/login failed with 500 callback_failed: verifyCredentials failed\. Caused by TypeError: the directory is down \(at boom .*failure-reports\.test\.ts:\d+:\d+\)\)$/,
      ),
      'POST /busy failed with 503 credentials_unavailable: Not now, [removed].',
      expect.stringMatching(/failure-reports\.test\.ts:\d+:\d+\)\) \(3 times since the last line\)$/),
    ])
    expect(printed.mock.calls[0]![1]).toEqual({ type: 'CustomUserDataWarning', code: 'request_failed' })
  })

  it('of a hook that runs after the answer too, without the credentials of the login', async () => {
    const printed = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const afterLogin = () => {
      throw new Error('no mail to hunter2')
    }
    const userData = createTestUserData(database, { hooks: { afterLogin } })
    const app = express().post(
      '/login',
      userData.login(() => ({ id: 'alice' })),
    )
    for (let turn = 0; turn < 2; turn++) expect((await logIn(app, { password: 'hunter2' })).status).toBe(200)
    await expect.poll(() => printed.mock.calls.length).toBe(1)
    expect(printed.mock.calls[0]![0]).toMatch(
      /^The hook afterLogin failed: Error: no mail to \[removed\] \(at /,
    )
  })
})

it('a listener of request_failed runs in the context of the request, and its error changes no answer', async () => {
  const storage = new AsyncLocalStorage<string>()
  const userData = createTestUserData(database)
  const seen: unknown[] = []
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  userData.events.on('request_failed', () => {
    seen.push(storage.getStore())
    boom()
  })
  const app = express()
    .use((_req, _res, next) => storage.run('a request', next))
    .post('/login', userData.login(boom))
  expect((await logIn(app)).status).toBe(500)
  expect(seen).toEqual(['a request'])
})

/** Express 5 takes no expressions in patterns, and Express 4 leaves such a route on the request. */
function withRoute(path: string): express.RequestHandler {
  return (req, _res, next) => {
    req.route = { path }
    next()
  }
}

const brokenSchema = {
  '~standard': { version: 1, vendor: 'test', validate: boom },
} as const
