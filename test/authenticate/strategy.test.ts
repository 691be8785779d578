import express from 'express'
import type { RequestHandler } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import type { AuthenticateOptions } from 'passport'
import { ExtractJwt, Strategy as JwtStrategy } from 'passport-jwt'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openDatabase, useDatabase } from '../support/database.js'
import { primaryAddress } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createEchoApp, expectChallenge, onError, sendRaw } from '../support/http.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const USERS = Array.from({ length: 20 }, (_, index) => `user ${index}`)
const OTHER_SECRET = 'the secret of another strategy, 32 bytes'

const database = useDatabase()
let proxy: TcpProxy
let proxied: TestDatabase
let userData: ReturnType<typeof createTestUserData>
let passport: InstanceType<typeof Passport>

beforeAll(async () => {
  const { host, port } = await primaryAddress(database.client)
  proxy = await startTcpProxy(host, port)
  proxied = await openDatabase({ proxyPort: proxy.port })
  for (const { db } of [database, proxied]) {
    await db.collection('custom_user_data').insertMany(USERS.map(userId => ({ userId, owner: userId })))
  }
})
afterAll(async () => {
  await proxied.close()
  await proxy.close()
})
beforeEach(() => {
  userData = createTestUserData(database)
  passport = new Passport()
  passport.use(userData.strategy())
})

const tokenOf = (user: string) => forgeToken({ claims: validClaims(user) })
const bearer = (token: string) => ['Authorization', `Bearer ${token}`]
/** A token that a team's own strategy would accept. */
const theirToken = () =>
  forgeToken({ secret: OTHER_SECRET, header: { typ: 'JWT' }, claims: { sub: 'theirs' } })

function authenticateBy(how: 'name' | 'instance', instance = userData): RequestHandler {
  if (how === 'name') return passport.authenticate('custom-user-data') as RequestHandler
  return passport.authenticate(instance.strategy()) as RequestHandler
}

/** passport-jwt as a team would set it up for tokens of another service. */
function theirStrategy(): JwtStrategy {
  const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken()
  return new JwtStrategy({ secretOrKey: OTHER_SECRET, jwtFromRequest }, (payload: { sub: string }, done) => {
    done(null, { id: payload.sub })
  })
}

describe.each(['name', 'instance'] as const)('the strategy, given to passport by %s', how => {
  it('sets the same req.user as the guard', async () => {
    const token = tokenOf('user 1')
    const byGuard = await sendRaw(createEchoApp(userData.authenticate()), { headers: bearer(token) })
    const byPassport = await sendRaw(createEchoApp(authenticateBy(how)), { headers: bearer(token) })
    expect(byPassport.status).toBe(200)
    expect(JSON.parse(byPassport.body)).toEqual(JSON.parse(byGuard.body))
  })

  it.each(['the direct way', 'a slow way'])(
    'never mixes up users of simultaneous requests, by %s to MongoDB',
    async way => {
      const slowly = way === 'a slow way'
      const instance = createTestUserData(slowly ? proxied : database)
      passport.use(instance.strategy())
      const app = createEchoApp(authenticateBy(how, instance))
      const tokens = USERS.map(tokenOf)
      if (slowly) proxy.delay(20)
      // The first round meets a cold cache; in the second some are cached and some are not.
      for (const round of [0, 1]) {
        const mixed = tokens.map((token, index) =>
          round === 1 && index % 2 ? tokenOf(USERS[index]!) : token,
        )
        const answers = await Promise.all(
          [...mixed, ...mixed].map(token => request(app).get('/me').auth(token, { type: 'bearer' })),
        )
        for (const [index, answer] of answers.entries()) {
          const user = USERS[index % USERS.length]
          expect(answer.body.user).toMatchObject({
            id: user,
            customData: { owner: user },
            claims: { sub: user },
          })
        }
      }
      await proxy.restore()
    },
  )

  it('never answers a failing request with the answer of a successful one', async () => {
    const app = createEchoApp(authenticateBy(how))
    const answers = await Promise.all(
      USERS.flatMap(user => [tokenOf(user), 'bad', 'a b']).map(token =>
        sendRaw(app, { headers: bearer(token) }),
      ),
    )
    for (const [index, { status }] of answers.entries()) expect(status).toBe([200, 401, 400][index % 3])
  })

  it.each([
    [401, []],
    [401, bearer('bad')],
    [401, ['Authorization', 'Basic YTpi']],
    [401, bearer(forgeToken({ claims: { ...validClaims(), exp: 1 } }))],
    [400, bearer('a b')],
    [400, [...bearer('a'), ...bearer('b')]],
  ])('fails with %i: %j', async (status, headers) => {
    const app = createEchoApp(authenticateBy(how))
    app.use(onError((_error, res) => res.status(418).end()))
    const answer = await sendRaw(app, { headers })
    expect(answer.status).toBe(status)
    // Passport itself sends challenges with 401 only.
    if (status === 401) expectChallenge(answer, ...headers.slice(1))
  })

  it('reports a fault of the server as an error', async () => {
    const instance = createTestUserData(proxied, { loadTimeoutMs: 50 })
    passport.use(instance.strategy())
    const app = createEchoApp(authenticateBy(how, instance)).use(instance.errorHandler())
    proxy.pause()
    const answer = await sendRaw(app, { headers: bearer(tokenOf('user 2')) })
    await proxy.restore()
    expect(answer.status).toBe(503)
    expect(answer.headers).toMatchObject({ 'retry-after': '1' })
    expect(answer.headers).not.toHaveProperty('www-authenticate')
  })

  it('reports a refused user as an error with its challenge', async () => {
    const instance = createTestUserData(database, { requireDocument: true })
    passport.use(instance.strategy())
    const app = createEchoApp(authenticateBy(how, instance)).use(instance.errorHandler())
    const headers = bearer(tokenOf('nobody'))
    for (const turn of ['loaded', 'cached']) {
      const answer = await sendRaw(app, { headers })
      expect(answer.status, turn).toBe(403)
      expect(expectChallenge(answer)).toMatchObject({ error: 'insufficient_scope' })
    }
  })
})

describe('a chain of strategies', () => {
  it.each([
    ['ours first', ['custom-user-data', 'jwt']],
    ['ours last', ['jwt', 'custom-user-data']],
  ])('continues after a failure: %s', async (_name, names) => {
    passport.use(theirStrategy())
    const app = createEchoApp(passport.authenticate(names, { session: false }) as RequestHandler)
    const ours = await sendRaw(app, { headers: bearer(tokenOf('user 3')) })
    expect(JSON.parse(ours.body)).toMatchObject({ user: { id: 'user 3', customData: { owner: 'user 3' } } })
    const theirs = await sendRaw(app, { headers: bearer(theirToken()) })
    expect(JSON.parse(theirs.body)).toEqual({ user: { id: 'theirs' } })
    const neither = await sendRaw(app, { headers: bearer('bad') })
    expect(neither.status).toBe(401)
    expectChallenge(neither, 'bad')
  })

  it('ends if there is a fault of the server', async () => {
    const instance = createTestUserData(proxied, { loadTimeoutMs: 50 })
    passport.use(instance.strategy()).use(theirStrategy())
    const chain = passport.authenticate(['custom-user-data', 'jwt'], { session: false }) as RequestHandler
    proxy.pause()
    const answer = await sendRaw(createEchoApp(chain), { headers: bearer(tokenOf('user 4')) })
    await proxy.restore()
    expect(answer.status).toBe(503)
  })
})

describe('behind express-session', () => {
  const store = new session.MemoryStore()

  function sessionApp(...middleware: RequestHandler[]) {
    const sessions = session({ secret: 'test', resave: false, saveUninitialized: false, store })
    // Passport before 0.6 needs initialize().
    return createEchoApp(sessions, passport.initialize(), passport.session() as RequestHandler, ...middleware)
  }

  it('the strategy writes nothing to the session and sets no cookie, even without session: false', async () => {
    passport.serializeUser((user, done) => done(null, user.id))
    const app = sessionApp(passport.authenticate('custom-user-data') as RequestHandler)
    const headers = bearer(tokenOf('user 5'))
    for (const turn of ['loaded', 'cached']) {
      const answer = await sendRaw(app, { headers })
      expect(answer.status, turn).toBe(200)
      expect(answer.headers, turn).not.toHaveProperty('set-cookie')
    }
    expect((await sendRaw(app, { headers: bearer('bad') })).headers).not.toHaveProperty('set-cookie')
    expect(Object.keys((store as unknown as { sessions: object }).sessions)).toEqual([])
  })

  it('does not change the session of another strategy', async () => {
    passport.serializeUser((user, done) => done(null, user.id))
    passport.deserializeUser((id, done) => done(null, { id } as Express.User))
    passport.use(theirStrategy())
    const app = express()
    app.use(session({ secret: 'test', resave: false, saveUninitialized: false, store }))
    app.use(passport.initialize(), passport.session())
    app.post('/login', passport.authenticate('jwt') as RequestHandler, (_req, res) => res.end())
    app.get('/session', (req, res) => res.json({ user: req.user, sid: req.sessionID }))
    app.get('/me', passport.authenticate('custom-user-data') as RequestHandler, (req, res) => {
      res.json({ id: req.user?.id, sid: req.sessionID })
    })
    const login = await request(app).post('/login').auth(theirToken(), { type: 'bearer' })
    const cookie = login.headers['set-cookie']![0]!
    const before = (await request(app).get('/session').set('Cookie', cookie)).body
    const me = await request(app).get('/me').set('Cookie', cookie).auth(tokenOf('user 6'), { type: 'bearer' })
    expect(me.body).toEqual({ id: 'user 6', sid: before.sid })
    expect(me.headers).not.toHaveProperty('set-cookie')
    expect((await request(app).get('/session').set('Cookie', cookie)).body).toEqual(before)
  })
})

describe("the app's options object", () => {
  it.each<AuthenticateOptions>([
    {},
    { session: true },
    { session: false },
    { session: undefined },
    Object.freeze({ session: false }),
  ])('is not changed: %j', async options => {
    const before = Object.entries(options)
    const app = createEchoApp(passport.authenticate('custom-user-data', options) as RequestHandler)
    const headers = bearer(tokenOf('user 7'))
    for (const turn of ['loaded', 'cached']) {
      expect((await sendRaw(app, { headers })).status, turn).toBe(200)
      expect(Object.entries(options), turn).toEqual(before)
    }
    await sendRaw(app, { headers: bearer('bad') })
    expect(Object.entries(options)).toEqual(before)
  })

  it('can name a property other than user', async () => {
    const options = { assignProperty: 'account', session: false }
    const app = express()
    app.get('/me', passport.authenticate('custom-user-data', options) as RequestHandler, (req, res) => {
      res.json({ user: req.user, account: (req as { account?: { id: string } }).account?.id })
    })
    const answer = await sendRaw(app, { headers: bearer(tokenOf('user 8')) })
    expect(JSON.parse(answer.body)).toEqual({ account: 'user 8' })
  })
})

describe('a request that does not keep the req.user that it is given', () => {
  const admin = { id: 'admin' } as Express.User
  const ways: Record<string, (req: express.Request) => void> = {
    'has a setter that does nothing': req =>
      Object.defineProperty(req, 'user', { configurable: true, get: () => admin, set: () => undefined }),
    'has no setter': req => Object.defineProperty(req, 'user', { configurable: true, get: () => admin }),
    'is read-only': req => Object.defineProperty(req, 'user', { value: admin, writable: false }),
  }

  it.each(Object.entries(ways))('is an error if req.user %s, cached or not', async (_way, prepare) => {
    const token = tokenOf('user 11')
    const app = express()
    app.get(
      '/me',
      (req, _res, next) => {
        prepare(req)
        next()
      },
      passport.authenticate('custom-user-data') as RequestHandler,
      (_req, res) => res.send('passed'),
    )
    app.use(
      onError((error, res) => {
        res.send(`${error.name}: ${error.message}`)
      }),
    )
    for (const turn of ['loaded', 'cached']) {
      const { body } = await sendRaw(app, { headers: bearer(token) })
      expect(body, turn).toMatch(/^TypeError: .*req\.user/)
    }
  })

  it('is not an error if req.user contains another user who can be replaced', async () => {
    const before: RequestHandler = (req, _res, next) => {
      req.user = admin
      next()
    }
    const app = createEchoApp(before, authenticateBy('name'))
    const { body } = await sendRaw(app, { headers: bearer(tokenOf('user 12')) })
    expect(JSON.parse(body)).toMatchObject({ user: { id: 'user 12' } })
  })
})

describe('a custom callback', () => {
  async function callbackArguments(headers: string[], instance = userData): Promise<unknown[]> {
    passport.use(instance.strategy())
    const calls: unknown[][] = []
    const app = express()
    app.get('/me', (req, res, next) => {
      const callback = (...args: unknown[]) => {
        calls.push(args)
        res.end()
      }
      ;(passport.authenticate('custom-user-data', callback) as RequestHandler)(req, res, next)
    })
    await sendRaw(app, { headers })
    expect(calls).toHaveLength(1)
    return calls[0]!
  }

  it('finds req.user unchanged', async () => {
    const found: unknown[] = []
    const app = express()
    app.get('/me', (req, res, next) => {
      const before = { id: 'before' } as Express.User
      req.user = before
      const callback = () => {
        found.push(req.user === before)
        res.end()
      }
      ;(passport.authenticate('custom-user-data', callback) as RequestHandler)(req, res, next)
    })
    const headers = bearer(tokenOf('user 9'))
    await sendRaw(app, { headers })
    await sendRaw(app, { headers })
    expect(found).toEqual([true, true])
  })

  it('gets the user', async () => {
    const headers = bearer(tokenOf('user 9'))
    for (const turn of ['loaded', 'cached']) {
      const [error, user] = await callbackArguments(headers)
      expect(error, turn).toBeNull()
      expect(user, turn).toMatchObject({ id: 'user 9', customData: { owner: 'user 9' } })
    }
  })

  it.each([
    [[], 'Bearer realm="api"', 401],
    [bearer('bad'), expect.stringContaining('error="invalid_token"'), 401],
    [bearer('a b'), expect.stringContaining('error="invalid_request"'), 400],
  ])('gets no user, the challenge and the status: %j', async (headers, challenge, status) => {
    expect(await callbackArguments(headers)).toEqual([null, false, challenge, status])
  })

  it('gets the error if there is a fault of the server', async () => {
    const closed = createTestUserData(database)
    await closed.close()
    const [error, ...others] = await callbackArguments(bearer(tokenOf('user 10')), closed)
    expect(error).toMatchObject({ code: 'closed', status: 503 })
    expect(others).toEqual([])
  })

  it('that throws is answered as an error, and the process keeps running', async () => {
    const app = express()
    app.get('/me', (req, res, next) => {
      const callback = (error: unknown) => {
        if (error) next(error)
        else throw new Error('theirs')
      }
      ;(passport.authenticate('custom-user-data', callback) as RequestHandler)(req, res, next)
    })
    app.use(onError((error, res) => res.status(500).end(error.message)))
    const headers = bearer(tokenOf('user 11'))
    for (const turn of ['loaded', 'cached', 'refused']) {
      const answer = await sendRaw(app, { headers: turn === 'refused' ? bearer('bad') : headers })
      expect(answer, turn).toMatchObject({ status: 500, body: 'theirs' })
    }
  })

  it('that throws the error of a failed load is answered as that error, and the process keeps running', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    onTestFinished(() => void process.off('unhandledRejection', note))
    const closed = createTestUserData(database)
    const before = await closed.issueTokens('user 12')
    await closed.close()
    const callback = (error: unknown) => {
      if (error) throw error as Error
    }
    passport.use(closed.strategy())
    const handler = passport.authenticate('custom-user-data', { session: false }, callback) as RequestHandler
    const router = express.Router().get('/me', handler)
    const app = express()
      .get('/me', handler)
      .use('/api', router)
      .use(onError((error, res) => res.status(500).end(error.name)))
    for (const path of ['/me', '/api/me']) {
      const answer = await request(app).get(path).auth(before.access_token, { type: 'bearer' })
      expect(answer, path).toMatchObject({ status: 500, text: 'CustomUserDataError' })
    }
    expect(unhandled).toEqual([])
  })
})
