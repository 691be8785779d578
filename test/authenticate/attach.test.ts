import { createRequire } from 'node:module'
import vm from 'node:vm'
import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import type { AttachOptions } from 'express-custom-user-data'
import session from 'express-session'
import { Passport } from 'passport'
import { ExtractJwt, Strategy as JwtStrategy } from 'passport-jwt'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createEchoApp, expectChallenge, onError, sendRaw } from '../support/http.js'
import { createTestUserData, forgeToken, ISSUER, SECRET, validClaims } from '../support/user-data.js'

/** A response that no test uses. */
const NO_RESPONSE = Object.freeze(Object.create(null)) as Response

const Bluebird = createRequire(import.meta.url)('bluebird') as PromiseConstructor

const THEIR_AUDIENCE = 'https://theirs.example'

const database = useDatabase()
let clock: ManualClock
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  await database.db
    .collection('custom_user_data')
    .insertMany([{ userId: 'alice', plan: 'gold' }, { userId: 'bob', plan: 'free' }, { plan: 'of nobody' }])
})
beforeEach(() => {
  clock = createManualClock()
  userData = createTestUserData(database, { clock })
})

/** Stands for whatever authenticates: sets `req.user`. */
function authenticated(user: unknown): RequestHandler {
  return (req, _res, next) => {
    req.user = user as Express.User
    next()
  }
}

/** An app behind `user`, with attach(), whose answer is the customData or the error. */
function attachApp(user: unknown, options?: AttachOptions, before: RequestHandler[] = []) {
  const app = express()
  app.use(...before, authenticated(user), userData.attach(options))
  app.get('/me', (req, res) => res.json(req.user?.customData ?? null))
  app.use(userData.errorHandler())
  return app
}

const loads = () => database.commands.loads().length
const cookie = ['Cookie', 'theirs=1']
const bearer = (token: string) => ['Authorization', `Bearer ${token}`]
const misconfigured = { status: 500, code: 'attach_misconfigured' }

/** An app that authenticates by a header, and hands out the object that `find` gives for the name in it. */
function cachingApp(find: (name: string) => object, ...guards: RequestHandler[]) {
  const app = express()
  app.use((req, _res, next) => {
    req.user = find(String(req.headers['x-name'])) as Express.User
    next()
  })
  app.use(...guards).get('/me', (req, res) => res.json(req.user?.customData))
  return app.use(userData.errorHandler())
}
const byName = { userId: (req: Request) => String(req.headers['x-name']), boundTo: () => 'a' }

async function attachError(user: unknown, options?: AttachOptions, headers = bearer('a')): Promise<Error> {
  const errors: Error[] = []
  const app = createEchoApp(authenticated(user), userData.attach(options)).use(
    onError((error, res) => {
      errors.push(error)
      res.end()
    }),
  )
  await sendRaw(app, { headers })
  expect(errors).toHaveLength(1)
  return errors[0]!
}

describe("behind a team's own passport-jwt strategy", () => {
  /** The team's tokens are signed like ours, but meant for another audience; `verify` makes the user. */
  function theirApp(verify: (sub: string) => unknown, inspect: (req: Request) => unknown = req => req.user) {
    const passport = new Passport()
    const options = {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: SECRET,
      issuer: ISSUER,
      audience: THEIR_AUDIENCE,
    }
    passport.use(new JwtStrategy(options, (claims: { sub: string }, done) => done(null, verify(claims.sub))))
    const app = express()
    app.use(passport.authenticate('jwt', { session: false }) as RequestHandler, userData.attach())
    app.get('/me', (req, res) => res.json(inspect(req)))
    return app.use(userData.errorHandler())
  }
  const theirToken = (sub = 'alice') =>
    forgeToken({ claims: { ...validClaims(sub, Date.now()), aud: THEIR_AUDIENCE } })

  it('adds customData to a plain object, and changes nothing else in it', async () => {
    const app = theirApp(sub => ({ id: sub, roles: ['admin'] }))
    const answer = await request(app).get('/me').auth(theirToken(), { type: 'bearer' })
    expect(answer.body).toEqual({
      id: 'alice',
      roles: ['admin'],
      customData: { _id: expect.any(String), userId: 'alice', plan: 'gold' },
    })
  })

  it('adds customData to an instance of a class, which keeps its prototype', async () => {
    class Account {
      readonly #name: string
      constructor(name: string) {
        this.#name = name
      }
      get id() {
        return this.#name
      }
    }
    const users: unknown[] = []
    const app = theirApp(
      sub => new Account(sub),
      req => {
        users.push(req.user)
        return req.user?.customData
      },
    )
    const answer = await request(app).get('/me').auth(theirToken(), { type: 'bearer' })
    expect(answer.body).toMatchObject({ plan: 'gold' })
    expect(users).toEqual([expect.any(Account)])
  })

  it('uses sub if there is no id', async () => {
    const answer = await request(theirApp(sub => ({ sub })))
      .get('/me')
      .auth(theirToken('bob'), { type: 'bearer' })
    expect(answer.body).toMatchObject({ sub: 'bob', customData: { plan: 'free' } })
  })

  it.each([
    ['frozen', (sub: string) => Object.freeze({ id: sub })],
    ['sealed', (sub: string) => Object.seal({ id: sub })],
    ['with a customData of its own', (sub: string) => ({ id: sub, customData: 1 })],
    ['with an undefined customData of its own', (sub: string) => ({ id: sub, customData: undefined })],
    [
      'with an inherited customData',
      (sub: string) => Object.assign(Object.create({ customData: 1 }) as object, { id: sub }),
    ],
  ])('is a clear error for an object that is %s', async (_name, verify) => {
    const answer = await request(theirApp(verify)).get('/me').auth(theirToken(), { type: 'bearer' })
    expect(answer.status).toBe(500)
    expect(answer.body).toMatchObject(misconfigured)
    const error = await attachError(verify('alice'))
    expect(error).toMatchObject(misconfigured)
    expect(error.message).toMatch(/cannot add customData to req.user/)
  })

  it('loads once for many requests with one token', async () => {
    const app = theirApp(sub => ({ id: sub }))
    const token = theirToken()
    await request(app).get('/me').auth(token, { type: 'bearer' })
    database.commands.clear()
    const more = Array.from({ length: 10 }, () => request(app).get('/me').auth(token, { type: 'bearer' }))
    for (const { body } of await Promise.all(more)) expect(body.customData.plan).toBe('gold')
    expect(loads()).toBe(0)
  })

  it('never makes authenticate() accept a token that only the other strategy accepts', async () => {
    const theirs = theirApp(sub => ({ id: sub }))
    const ours = createEchoApp(userData.authenticate())
    const token = theirToken()
    for (const turn of ['before', 'after']) {
      const refused = await request(ours).get('/me').auth(token, { type: 'bearer' })
      expect(refused.status, turn).toBe(401)
      expectChallenge(refused, token)
      expect((await request(theirs).get('/me').auth(token, { type: 'bearer' })).status, turn).toBe(200)
    }
  })
})

describe('behind express-session', () => {
  it('binds the snapshot to the session, and does not change the session', async () => {
    const sessions = session({ secret: 'test', resave: false, saveUninitialized: true })
    const app = attachApp({ id: 'alice' }, undefined, [sessions])
    const first = await request(app).get('/me')
    expect(first.body).toMatchObject({ plan: 'gold' })
    const sessionCookie = first.headers['set-cookie']![0]!
    database.commands.clear()
    const again = await request(attachApp({ id: 'bob' }, undefined, [sessions])).get('/me')
    expect(again.body).toMatchObject({ plan: 'free' })
    expect(loads()).toBe(1)
    // The user object of the first app is one for all requests: what attach() put there is replaced.
    expect((await request(app).get('/me').set('Cookie', sessionCookie)).body).toMatchObject({ plan: 'gold' })
    expect(loads()).toBe(1)
  })
})

describe('the binding of a snapshot behind express-session and passport', () => {
  /** A session store in memory. A login by `POST /login`, or a bearer token that is taken at its word, says who it is. */
  function sessionApp(options?: AttachOptions) {
    const passport = new Passport()
    passport.serializeUser((user, done) => done(null, (user as { id: string }).id))
    passport.deserializeUser((id: string, done) => done(null, { id } as Express.User))
    const app = express()
    app.use(session({ secret: 'test', resave: false, saveUninitialized: false }))
    // Passport before 0.6 needs initialize().
    app.use(passport.initialize(), passport.session() as RequestHandler)
    app.post('/login', (req, res, next) =>
      req.login({ id: 'alice' } as Express.User, error => (error ? next(error) : res.end())),
    )
    app.use((req, _res, next) => {
      if (!req.user && req.headers.authorization !== undefined) req.user = { id: 'alice' } as Express.User
      next()
    })
    app.get('/me', userData.attach(options), (req, res) => res.json(req.user?.customData))
    app.use(userData.errorHandler())
    return app
  }

  it('is the Authorization header of a client without cookies, which has a new session id with each request', async () => {
    const app = sessionApp()
    await request(app).get('/me').auth('one', { type: 'bearer' }).expect(200)
    database.commands.clear()
    for (let turn = 0; turn < 3; turn++)
      await request(app).get('/me').auth('one', { type: 'bearer' }).expect(200)
    expect(loads()).toBe(0)
    await request(app).get('/me').auth('other', { type: 'bearer' }).expect(200)
    expect(loads()).toBe(1)
    expect(userData.stats()).toMatchObject({ hits: 3, misses: 2 })
  })

  it('is the session that signed the user in, even if an Authorization header is sent too', async () => {
    const agent = request.agent(sessionApp())
    await agent.post('/login').expect(200)
    await agent.get('/me').expect(200)
    database.commands.clear()
    for (const token of ['one', 'two', 'three'])
      await agent.get('/me').auth(token, { type: 'bearer' }).expect(200)
    expect(loads()).toBe(0)
    expect(userData.stats()).toMatchObject({ hits: 3, misses: 1 })
  })

  it('is the result of boundTo, if it is given', async () => {
    const app = sessionApp({ boundTo: req => req.get('x-device') })
    for (const token of ['one', 'two']) {
      await request(app).get('/me').auth(token, { type: 'bearer' }).set('x-device', 'phone').expect(200)
    }
    expect(userData.stats()).toMatchObject({ hits: 1, misses: 1 })
  })

  it.each([
    null,
    undefined,
    {},
    { passport: null },
    { passport: {} },
    { passport: { user: '' } },
    { passport: { user: false } },
  ])('is the Authorization header if no user is signed in by the session: %j', async signedIn => {
    const guard = userData.attach()
    for (const sessionID of ['one', 'two']) {
      const req = {
        user: { id: 'alice' },
        headers: { authorization: 'Bearer a' },
        sessionID,
        session: signedIn,
      }
      expect(
        await new Promise(resolve => void guard(req as unknown as Request, NO_RESPONSE, resolve)),
      ).toBeUndefined()
    }
    expect(userData.stats()).toMatchObject({ hits: 1, misses: 1 })
  })

  it.each(['alice', 7, 0, { id: 'alice' }])('is the session if passport has %j in it', async user => {
    const guard = userData.attach()
    for (const authorization of ['Bearer a', 'Bearer b', undefined]) {
      const signedIn = { passport: { user } }
      const req = { user: { id: 'alice' }, headers: { authorization }, sessionID: 'one', session: signedIn }
      expect(
        await new Promise(resolve => void guard(req as unknown as Request, NO_RESPONSE, resolve)),
      ).toBeUndefined()
    }
    expect(userData.stats()).toMatchObject({ hits: 2, misses: 1 })
  })
})

describe('a callback of attach() that returns a promise', () => {
  const failure = () => new Error('theirs')
  const thenable = (then: unknown) => ({ then })
  const promises: Record<string, () => unknown> = {
    'a promise': () => Promise.resolve('alice'),
    'a promise that rejects': () => Promise.reject(failure()),
    'a promise of bluebird': () => Bluebird.resolve('alice'),
    'a promise of bluebird that rejects': () => Bluebird.reject(failure()),
    'a promise of another realm that rejects': () =>
      vm.runInNewContext('Promise.reject(new Error("theirs"))') as unknown,
    'a thenable that rejects': () =>
      thenable((_resolve: unknown, reject: (error: Error) => void) => reject(failure())),
    'a thenable that throws': () =>
      thenable(() => {
        throw failure()
      }),
    'a function that is a thenable': () =>
      Object.assign(
        () => 'alice',
        thenable((resolve: (id: string) => void) => resolve('alice')),
      ),
  }

  it.each(['userId', 'boundTo', 'expiresAt'] as const)('is refused: %s', async name => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    for (const [kind, create] of Object.entries(promises)) {
      const error = await attachError({ id: 'alice' }, { [name]: create })
      expect(error, kind).toMatchObject(misconfigured)
      expect(error.message, kind).toMatch(new RegExp(`^attach\\(\\): ${name} returned a promise`))
    }
    await new Promise(resolve => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
})

describe('the user and the binding of the data', () => {
  it('is never guessed: an id that is not text is an error', async () => {
    const ids = [undefined, null, '', 42, 1n, true, {}, ['alice'], new String('alice'), Symbol('alice')]
    for (const id of ids) {
      for (const user of [{ id }, { id: undefined, sub: id }]) {
        const error = await attachError(user)
        expect(error).toMatchObject(misconfigured)
        expect(error.message).toMatch(/cannot tell the user's id/)
      }
      expect(await attachError({ id: 'alice' }, { userId: () => id as string })).toMatchObject(misconfigured)
    }
  })

  it('can be given by a callback', async () => {
    const options = { userId: (req: Request) => (req.user as unknown as { name: string }).name }
    expect(
      (await sendRaw(attachApp({ name: 'bob', id: 7 }, options), { headers: bearer('a') })).body,
    ).toMatch('free')
  })

  it.each([undefined, null, false, 'alice', 42])('needs a req.user: %j is an error', async user => {
    const error = await attachError(user)
    expect(error).toMatchObject(misconfigured)
    expect(error.message).toMatch(/no req.user/)
  })

  it('needs a token or a session to which the snapshot is bound', async () => {
    const error = await attachError({ id: 'alice' }, undefined, cookie)
    expect(error).toMatchObject(misconfigured)
    expect(error.message).toMatch(/cannot tell the token or session of the request/)
    for (const boundTo of [undefined, '', 42, {}]) {
      const options = { boundTo: () => boundTo as string }
      expect(await attachError({ id: 'alice' }, options)).toMatchObject(misconfigured)
    }
  })

  it('is refused with 400 if there are two Authorization headers', async () => {
    const answer = await sendRaw(attachApp({ id: 'alice' }), { headers: [...bearer('a'), ...bearer('b')] })
    expect(answer.status).toBe(400)
  })

  it('causes an error that names the callback if a callback throws', async () => {
    for (const name of ['userId', 'boundTo', 'expiresAt'] as const) {
      const cause = new Error('theirs')
      const throws = () => {
        throw cause
      }
      const error = await attachError({ id: 'alice' }, { [name]: throws })
      expect(error).toMatchObject({ status: 500, code: 'callback_failed', cause })
      expect(error.message).toBe(`attach(): ${name} failed.`)
    }
  })

  it('are distinguished by id and binding, never by the joined text of both', async () => {
    const attach = userData.attach({
      userId: req => req.get('x-id'),
      boundTo: req => req.get('x-bound-to'),
    })
    const app = express()
    app.get('/me', authenticateEach, attach, (req, res) => res.json(req.user?.customData))
    const ask = (id: string, boundTo: string) =>
      sendRaw(app, { headers: ['x-id', id, 'x-bound-to', boundTo] })
    expect((await ask('alice', 'b')).body).toMatch('gold')
    expect((await ask('alic', 'eb')).body).toBe('{}')
    expect((await ask('bob', 'b')).body).toMatch('free')
  })

  function authenticateEach(req: Request, _res: unknown, next: () => void) {
    req.user = {} as Express.User
    next()
  }
})

describe('a snapshot of attach()', () => {
  it('is never served to another attach()', async () => {
    const [one, other] = [attachApp({ id: 'alice' }), attachApp({ id: 'alice' })]
    await sendRaw(one, { headers: bearer('a') })
    database.commands.clear()
    await sendRaw(one, { headers: bearer('a') })
    expect(loads()).toBe(0)
    await sendRaw(other, { headers: bearer('a') })
    expect(loads()).toBe(1)
  })

  it('is never served to authenticate(), and a snapshot of authenticate() is never served to attach()', async () => {
    const token = forgeToken({ claims: validClaims('alice', clock.now()) })
    const ours = createEchoApp(userData.authenticate())
    const attached = attachApp({ id: 'bob' })
    expect((await sendRaw(attached, { headers: bearer(token) })).body).toMatch('free')
    expect(JSON.parse((await sendRaw(ours, { headers: bearer(token) })).body).user.id).toBe('alice')
    expect((await sendRaw(attached, { headers: bearer(token) })).body).toMatch('free')
  })

  it.each([
    ['a Date', (at: number) => new Date(at)],
    ['a Date of another realm', (at: number) => vm.runInNewContext(`new Date(${at})`) as Date],
    ['milliseconds', (at: number) => at],
  ])('ends at expiresAt, as %s', async (_name, toExpiry) => {
    const end = clock.now() + 60_000
    const app = attachApp({ id: 'alice' }, { expiresAt: () => toExpiry(end) })
    const ask = () => sendRaw(app, { headers: bearer('a') })
    await ask()
    database.commands.clear()
    clock.advance(59_999)
    await ask()
    expect(loads()).toBe(0)
    clock.advance(1)
    expect((await ask()).status).toBe(200)
    expect(loads()).toBe(1)
  })

  it('lives for 30 minutes without expiresAt', async () => {
    const app = attachApp({ id: 'alice' })
    const ask = () => sendRaw(app, { headers: bearer('a') })
    await ask()
    database.commands.clear()
    clock.advance(30 * 60_000 - 1)
    await ask()
    expect(loads()).toBe(0)
    clock.advance(2)
    await ask()
    expect(loads()).toBe(1)
  })

  it('is loaded again after the machine has slept for 8 hours', async () => {
    const app = attachApp({ id: 'alice' })
    const ask = () => sendRaw(app, { headers: bearer('a') })
    await ask()
    database.commands.clear()
    clock.sleep(8 * 60 * 60_000)
    await ask()
    expect(loads()).toBe(1)
  })

  it.each([new Date(NaN), NaN, Infinity, '2027', null, {}])(
    'cannot end at %j: that is an error',
    async end => {
      const error = await attachError({ id: 'alice' }, { expiresAt: () => end as Date })
      expect(error).toMatchObject(misconfigured)
      expect(error.message).toMatch(/expiresAt must return a Date/)
    },
  )

  it('is loaded again after invalidate()', async () => {
    const app = attachApp({ id: 'alice' })
    await sendRaw(app, { headers: bearer('a') })
    userData.invalidate('alice')
    database.commands.clear()
    await sendRaw(app, { headers: bearer('a') })
    expect(loads()).toBe(1)
  })
})

describe('a req.user that several requests share', () => {
  it('is an error if it belongs to another user than before', async () => {
    const shared = {}
    const app = cachingApp(() => shared, userData.attach(byName))
    const first = await request(app).get('/me').set('x-name', 'alice')
    expect(first.body).toMatchObject({ plan: 'gold' })
    const second = await request(app).get('/me').set('x-name', 'bob')
    expect(second).toMatchObject({ status: 500, body: { code: 'attach_misconfigured' } })
    expect(JSON.stringify(shared)).toContain('gold')
  })

  it('is an error for all users except one, even if their requests run at the same time', async () => {
    const shared = {}
    const server = cachingApp(() => shared, userData.attach(byName))
    const names = ['alice', 'bob', 'alice', 'bob']
    const answers = await Promise.all(names.map(name => request(server).get('/me').set('x-name', name)))
    const served = answers.flatMap(({ status, body }, index) =>
      status === 200 ? [[names[index], (body as { plan: string }).plan]] : [],
    )
    expect(new Set(served.map(String)).size).toBe(1)
    expect([
      ['alice', 'gold'],
      ['bob', 'free'],
    ]).toContainEqual(served[0])
    const refused = answers.filter(({ status }) => status !== 200)
    expect(refused).toHaveLength(2)
    for (const { body } of refused) expect(body).toMatchObject({ code: 'attach_misconfigured' })
  })

  it('is refused with a message that says what to do', async () => {
    const shared = {}
    await attachError(shared, { userId: () => '' })
    await sendRaw(attachApp(shared, { userId: () => 'alice' }), { headers: bearer('a') })
    const error = await attachError(shared, { userId: () => 'bob' })
    expect(error).toMatchObject(misconfigured)
    expect(error.message).toMatch(/give each request a req\.user object of its own/i)
  })

  it('may be the same for all requests of one user', async () => {
    const users = new Map(['alice', 'bob'].map(name => [name, { name }]))
    const app = cachingApp(name => users.get(name)!, userData.attach(byName))
    for (const [name, plan] of [
      ['alice', 'gold'],
      ['bob', 'free'],
      ['alice', 'gold'],
    ] as const) {
      const answer = await request(app).get('/me').set('x-name', name)
      expect(answer.body).toMatchObject({ plan })
    }
  })
})

describe('a req.user that does not keep its data', () => {
  const proxy = () =>
    new Proxy({ id: 'alice' }, { defineProperty: () => true, has: (_target, name) => name === 'id' })

  it('is an error if customData is missing after it was added', async () => {
    expect(await attachError(proxy())).toMatchObject(misconfigured)
  })

  it('is an error if each read of req.user gives a new object', async () => {
    const app = express()
    app.use((req, _res, next) => {
      Object.defineProperty(req, 'user', { get: () => ({ id: 'alice' }) })
      next()
    }, userData.attach())
    app.get('/me', (_req, res) => res.send('passed')).use(userData.errorHandler())
    const answer = await sendRaw(app, { headers: bearer('a') })
    expect(JSON.parse(answer.body)).toMatchObject(misconfigured)
  })
})

describe('attach() twice on one request', () => {
  it('is not an error if both are the same middleware', async () => {
    const attach = userData.attach()
    const app = createEchoApp(authenticated({ id: 'alice' }), attach, attach)
    expect(JSON.parse((await sendRaw(app, { headers: bearer('a') })).body).user.customData.plan).toBe('gold')
  })
})

describe('attach({ optional: true })', () => {
  it.each([undefined, null])('accepts a request whose req.user is %j', async user => {
    const answer = await sendRaw(attachApp(user, { optional: true }))
    expect(answer).toMatchObject({ status: 200, body: 'null' })
  })

  it('checks any other request as usual', async () => {
    const options = { optional: true }
    expect((await sendRaw(attachApp({ id: 'bob' }, options), { headers: bearer('a') })).body).toMatch('free')
    expect(await attachError({ id: 42 }, options)).toMatchObject(misconfigured)
    expect(await attachError(false, options)).toMatchObject(misconfigured)
  })
})

describe('a user without a document', () => {
  it('has {}', async () => {
    expect((await sendRaw(attachApp({ id: 'nobody' }), { headers: bearer('a') })).body).toBe('{}')
  })

  it('is refused with 403 under requireDocument', async () => {
    userData = createTestUserData(database, { clock, requireDocument: true })
    const answer = await sendRaw(attachApp({ id: 'nobody' }), { headers: bearer('a') })
    expect(answer.status).toBe(403)
    expectChallenge(answer)
  })
})

describe('the default user id', () => {
  it.each<[string, object]>([
    ['id', { id: 'alice', sub: 'bob', _id: 'bob' }],
    ['sub', { sub: 'alice', _id: 'bob' }],
    ['_id as a text', { _id: 'alice' }],
    ['_id as an ObjectId', { _id: { toHexString: () => 'alice' } }],
  ])('is %s', async (_name, user) => {
    const { body } = await request(attachApp(user)).get('/me').auth('a', { type: 'bearer' })
    expect(body).toMatchObject({ userId: 'alice' })
  })

  it.each([{ _id: 7 }, { _id: {} }, { _id: null }, {}])('is not known from %j', async user => {
    const { body } = await request(attachApp(user)).get('/me').auth('a', { type: 'bearer' })
    expect(body).toMatchObject(misconfigured)
  })
})

describe('an attach() behind another one', () => {
  it('has the same user and snapshot, if it has no callbacks', async () => {
    const app = cachingApp(name => ({ name }), userData.attach(byName), userData.attach({ maxAgeMs: 60_000 }))
    const read = async (): Promise<unknown> => (await request(app).get('/me').set('x-name', 'alice')).body
    expect(await read()).toMatchObject({ userId: 'alice' })
    database.commands.clear()
    expect(await read()).toMatchObject({ userId: 'alice' })
    expect(loads()).toBe(0)
    clock.advance(60_001)
    expect(await read()).toMatchObject({ userId: 'alice' })
    expect(loads()).toBe(1)
  })
})
