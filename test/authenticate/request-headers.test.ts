import { IncomingMessage } from 'node:http'
import express from 'express'
import type { Express, Request, RequestHandler, Response } from 'express'
import { Passport } from 'passport'
import serverless from 'serverless-http'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isSentTwice, readHeaderValues } from '../../lib/authenticate/request-headers.js'
import { useDatabase } from '../support/database.js'
import { sendRaw } from '../support/http.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
const token = forgeToken({ claims: validClaims('alice') })
const other = forgeToken({ claims: validClaims('bob') })
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertMany([
    { userId: 'alice', plan: 'gold' },
    { userId: 'bob', plan: 'free' },
  ])
})
beforeEach(() => {
  userData = createTestUserData(database)
})

const bearer = (text: string) => ['Authorization', `Bearer ${text}`]

/** Each way into an app by the Authorization header. */
const ways: readonly [string, () => RequestHandler[]][] = [
  ['authenticate()', () => [userData.authenticate()]],
  [
    'strategy()',
    () => [
      new Passport()
        .use(userData.strategy())
        .authenticate('custom-user-data', { session: false }) as RequestHandler,
    ],
  ],
  [
    'attach()',
    () => [
      (req, _res, next) => {
        req.user = { id: 'alice' } as Express.User
        next()
      },
      userData.attach(),
    ],
  ],
  ['allow()', () => [userData.authenticate(), userData.allow({ '%%request.requestHeaders.x-team': 'red' })]],
]

function createApp(guards: readonly RequestHandler[], ...before: RequestHandler[]): Express {
  const app = express()
  app.use(...before, ...guards)
  app.get('/me', (req, res) => res.json(req.user?.customData ?? null))
  app.use(userData.errorHandler())
  return app
}

describe.each(ways)('%s behind an adapter that leaves rawHeaders empty', (_way, guards) => {
  async function invoke(headers: Record<string, string>): Promise<{ statusCode: number; body: string }> {
    const handle = serverless(createApp(guards()))
    const event = {
      httpMethod: 'GET',
      path: '/me',
      headers,
      body: '',
      requestContext: { identity: { sourceIp: '127.0.0.1' } },
    }
    return (await handle(event, {})) as { statusCode: number; body: string }
  }

  it('finds the token that the adapter has put into headers', async () => {
    const headers = { Authorization: `Bearer ${token}`, 'X-Team': 'red' }
    for (const turn of ['loaded', 'cached']) {
      const { statusCode, body } = await invoke(headers)
      expect([statusCode, body], turn).toEqual([200, expect.stringContaining('gold')])
    }
  })
})

describe.each(ways)('%s on a request that a test has created by hand', (_way, guards) => {
  function run(req: Partial<Request>): Promise<{ error: unknown; user: unknown }> {
    // Passport 0.4 gives this method to Node's own class.
    const stub = Object.assign(req, { logIn: Reflect.get(IncomingMessage.prototype, 'logIn') }) as Request
    return new Promise(resolve => {
      const handlers = guards()
      const next = (error?: unknown): void => {
        const handler = error === undefined ? handlers.shift() : undefined
        if (handler) void handler(stub, { status: () => undefined } as unknown as Response, next)
        else resolve({ error, user: stub.user })
      }
      next()
    })
  }

  it('needs only headers', async () => {
    const headers = { authorization: `Bearer ${token}`, 'x-team': 'red' }
    for (const turn of ['loaded', 'cached']) {
      const { error, user } = await run({ headers })
      expect([error, user], turn).toEqual([
        undefined,
        expect.objectContaining({ customData: expect.objectContaining({ plan: 'gold' }) }),
      ])
    }
  })
})

describe('a request without any header', () => {
  it.each([{}, { headers: {} }])('has no token: %j', async req => {
    const answers: unknown[] = []
    const stub = req as Request
    await userData.authenticate()(stub, NO_RESPONSE, error => answers.push(error))
    expect(answers).toMatchObject([{ status: 401, code: 'missing_token' }])
  })

  it('gives attach() no token to bind a snapshot to', async () => {
    const stub = { user: { id: 'alice' } } as unknown as Request
    const error = await new Promise<unknown>(resolve => {
      void userData.attach()(stub, NO_RESPONSE, resolve)
    })
    expect(error).toMatchObject({ status: 500, code: 'attach_misconfigured' })
  })
})

describe('middleware before authenticate()', () => {
  const setHeader =
    (value: string | undefined): RequestHandler =>
    (req, _res, next) => {
      if (value === undefined) delete req.headers.authorization
      else req.headers.authorization = value
      next()
    }
  const send = (headers: string[], value?: string) =>
    sendRaw(createApp([userData.authenticate()], setHeader(value)), { headers })

  it('decides which token is presented by setting the header', async () => {
    for (const headers of [
      [],
      bearer(other),
      ['Authorization', 'Basic YTpi'],
      [...bearer(other), ...bearer('b')],
    ]) {
      for (let turn = 0; turn < 2; turn++) {
        const { status, body } = await send(headers, `Bearer ${token}`)
        expect([status, body]).toEqual([200, expect.stringContaining('gold')])
      }
    }
  })

  it('can delete the header, so that no token is presented, cached or not', async () => {
    await userData.verifyToken(token)
    for (const headers of [bearer(token), [...bearer(token), ...bearer(other)]]) {
      const { status, headers: sent } = await send(headers)
      expect([status, sent['www-authenticate']]).toEqual([401, 'Bearer realm="api"'])
    }
  })

  it('cannot choose one of two tokens that the client sent: that is 400, cached or not', async () => {
    const twice = [...bearer(token), ...bearer(other)]
    for (let turn = 0; turn < 2; turn++) {
      expect((await send(twice, `Bearer ${token}`)).status).toBe(400)
      expect((await send(twice, `Bearer ${other}`)).status).toBe(400)
      expect((await send(twice, `Bearer ${token}, Bearer ${other}`)).status).toBe(400)
      await userData.verifyToken(token)
      await userData.verifyToken(other)
    }
  })
})

describe('a header that a rule looks at', () => {
  it('is the header that middleware has set, and is missing if middleware has deleted it', async () => {
    const guards = [userData.authenticate(), userData.allow({ '%%request.requestHeaders.x-team': 'red' })]
    const set: RequestHandler = (req, _res, next) => {
      req.headers['x-team'] = 'red'
      next()
    }
    const remove: RequestHandler = (req, _res, next) => {
      delete req.headers['x-team']
      next()
    }
    const statusOf = async (before: RequestHandler, ...headers: string[]) =>
      (await sendRaw(createApp(guards, before), { headers: [...bearer(token), ...headers] })).status
    expect(await statusOf(set)).toBe(200)
    expect(await statusOf(set, 'x-team', 'blue')).toBe(200)
    expect(await statusOf(set, 'x-team', 'blue', 'x-team', 'green')).toBe(200)
    // Middleware may have chosen one of the values that were sent, so both are compared.
    expect(await statusOf(set, 'x-team', 'blue', 'x-team', 'red')).toBe(200)
    expect(await statusOf(remove, 'x-team', 'red')).toBe(403)
  })

  it.each([
    [{ 'x-team': 'red' }, 'red'],
    [{ 'x-team': ['red'] }, 'red'],
    [{ 'x-team': ['red', 'blue'] }, ['red', 'blue']],
    [{ 'x-team': 1 }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ])('of a request with the headers %j is %j', (headers, value) => {
    expect(readHeaderValues(headers ? { headers } : {}, 'x-team')).toEqual(value)
    expect(readHeaderValues(headers ? { headers } : {}, 'constructor')).toBeUndefined()
  })
})

describe('a header that was sent twice', () => {
  const rawHeaders = ['X-Team', 'red', 'Host', 'x-team', 'x-TEAM', 'blue']

  it.each(['red', 'blue', 'red, blue', 'red; blue'])('is found in each form of Node: %j', value => {
    expect(isSentTwice({ rawHeaders }, 'x-team', value)).toBe(true)
  })

  it('is replaced by a value that middleware has set', () => {
    expect(isSentTwice({ rawHeaders }, 'x-team', 'green')).toBe(false)
    expect(isSentTwice({ rawHeaders }, 'x-team', 'blue, red')).toBe(false)
  })

  it('is found only by its exact name', () => {
    expect(isSentTwice({ rawHeaders: ['X-Team', 'red', 'X-Teams', 'red'] }, 'x-team', 'red')).toBe(false)
    expect(isSentTwice({ rawHeaders: ['A', 'x-team', 'B', 'x-team'] }, 'x-team', 'x-team')).toBe(false)
    expect(isSentTwice({}, 'x-team', 'red')).toBe(false)
  })
})
