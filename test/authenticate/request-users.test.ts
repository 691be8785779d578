import express from 'express'
import type { Express, Request, RequestHandler } from 'express'
import { Passport } from 'passport'
import type { Strategy } from 'passport'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { expectChallenge, onError } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

type UserData = ReturnType<typeof createTestUserData>

const database = useDatabase()
let userData: UserData
/** Another instance of the same app, with the same keys, over another collection. */
let other: UserData
let user: string
let users = 0
beforeEach(() => {
  userData = createTestUserData(database)
  other = createTestUserData(database, { collection: database.db.collection('others') })
  user = `user-${users++}`
})

const byApp =
  (make: (req: Request) => object): RequestHandler =>
  (req, _res, next) => {
    req.user = make(req) as Express.User
    next()
  }
const spreading = byApp(req => ({ ...req.user, isSpread: true }))
const accountOf = (req: Request) => (req.user as unknown as { accountId: string }).accountId
/** The app knows the user by an id of its own, and this instance by the account. */
const attaching = (to: UserData = userData): RequestHandler[] => [
  byApp(() => ({ id: `${user}-of-app`, accountId: user })),
  to.attach({ userId: accountOf, boundTo: () => `session of ${user}` }),
]
const byPassport = (): RequestHandler =>
  new Passport()
    .use(userData.strategy())
    .authenticate('custom-user-data', { session: false }) as RequestHandler

/** For an app without a guard, because `use()` needs a handler. */
const passOn: RequestHandler = (_req, _res, next) => {
  next()
}

function createApp(...guards: RequestHandler[]): Express {
  return express()
    .use(passOn, ...guards)
    .use('/me', userData.ownData({ fields: ['language'], upsert: true }))
    .use('/sessions', userData.ownSessions())
    .post('/logout-all', userData.logoutAll())
    .get('/allowed', userData.allow({ '%%user.id': user }), (_req, res) => res.send('allowed'))
    .get('/refreshed', async (req, res) => res.json(await userData.refreshCustomData(req)))
    .use(userData.errorHandler())
}

async function createSession(userId = user): Promise<string> {
  return (await userData.issueTokens(userId)).access_token
}

const documentOf = (userId: string) => database.db.collection('custom_user_data').findOne({ userId })
const sessionsOf = async (userId: string) => (await userData.sessions(userId)).length

/** Sends each request that acts on the user, and gives the answers' statuses and codes. */
async function sendAll(app: Express, token: string): Promise<unknown[]> {
  const auth = { Authorization: `Bearer ${token}` }
  const answers = [
    await request(app).get('/me').set(auth),
    await request(app).patch('/me').set(auth).send({ language: 'en' }),
    await request(app).get('/sessions').set(auth),
    await request(app).delete('/sessions/unknown').set(auth),
    await request(app).get('/allowed').set(auth),
    await request(app).post('/logout-all').set(auth),
  ]
  return answers.map(({ status, body }) => (body as { code?: string }).code ?? status)
}

const WORKS = ['custom_data_not_found', 201, 200, 'session_not_found', 200, 204]
const MISCONFIGURED = Array.from({ length: 6 }, () => 'attach_misconfigured')

const OURS: { guards: string; create: () => RequestHandler[] }[] = [
  { guards: 'authenticate()', create: () => [userData.authenticate()] },
  { guards: 'authenticate({ maxAgeMs })', create: () => [userData.authenticate({ maxAgeMs: 0 })] },
  { guards: 'strategy()', create: () => [byPassport()] },
  { guards: 'attach({ userId })', create: () => attaching() },
  { guards: 'authenticate() and a spread of req.user', create: () => [userData.authenticate(), spreading] },
  { guards: 'strategy() and a spread of req.user', create: () => [byPassport(), spreading] },
  { guards: 'attach({ userId }) and a spread of req.user', create: () => [...attaching(), spreading] },
  {
    guards: 'authenticate() and a spread that has another id',
    create: () => [userData.authenticate(), byApp(req => ({ ...req.user, id: `${user}-of-app` }))],
  },
  {
    guards: 'attach({ userId }), a spread, and attach() again',
    create: () => [
      ...attaching(),
      spreading,
      userData.attach({ userId: accountOf, boundTo: () => 'x', maxAgeMs: 0 }),
    ],
  },
]

describe.each(OURS)('behind $guards', ({ create }) => {
  it('ownData(), ownSessions(), logoutAll() and allow() act on the user that this instance let in', async () => {
    const token = await createSession()
    await createSession(`${user}-of-app`)
    expect(await sendAll(createApp(...create()), token)).toEqual(WORKS)
    expect(await documentOf(user)).toMatchObject({ language: 'en' })
    expect(await documentOf(`${user}-of-app`)).toBeNull()
    expect(await sessionsOf(user)).toBe(0)
    expect(await sessionsOf(`${user}-of-app`)).toBe(1)
  })

  it('refreshCustomData() reads the data of that user', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: user, language: 'de' })
    const app = createApp(...create())
    const answer = await request(app)
      .get('/refreshed')
      .auth(await createSession(), { type: 'bearer' })
    expect(answer.body).toMatchObject({ language: 'de' })
  })
})

/** A user who looks like a user of this instance but is not. */
const NOT_OURS: { guards: string; create: () => RequestHandler[] }[] = [
  { guards: "another instance's authenticate()", create: () => [other.authenticate()] },
  { guards: "another instance's attach()", create: () => attaching(other) },
  { guards: 'a user that the app made', create: () => [byApp(() => ({ id: user }))] },
  {
    guards: 'a user that the app made with all members',
    create: () => [byApp(() => ({ id: user, customData: {}, claims: { sub: user, sid: 'a' } }))],
  },
  {
    guards: 'copied claims',
    create: () => [userData.authenticate(), byApp(req => ({ ...req.user, claims: { ...req.user!.claims } }))],
  },
  {
    guards: "another instance's authenticate() after ours",
    create: () => [userData.authenticate(), other.authenticate()],
  },
  {
    guards: "another instance's attach() after ours",
    create: () => [...attaching(), ...attaching(other)],
  },
  {
    guards: 'a user that the app made after attach()',
    create: () => [...attaching(), byApp(() => ({ id: user, customData: {} }))],
  },
  { guards: 'a user that is a text', create: () => [byApp(() => user as unknown as object)] },
]

describe.each(NOT_OURS)('behind $guards', ({ create }) => {
  it('each function answers 500 with the reason, and reads and changes nothing', async () => {
    const token = await createSession()
    expect(await sendAll(createApp(...create()), token)).toEqual(MISCONFIGURED)
    expect(await documentOf(user)).toBeNull()
    expect(await sessionsOf(user)).toBe(1)
  })

  it('refreshCustomData() rejects with a TypeError', async () => {
    const failures: unknown[] = []
    const app = express()
      .use(...create())
      .get('/', async (req, res) => {
        failures.push(await userData.refreshCustomData(req).catch((error: unknown) => error))
        res.end()
      })
    await request(app)
      .get('/')
      .auth(await createSession(), { type: 'bearer' })
    expect(failures).toEqual([expect.any(TypeError)])
  })
})

describe('a request without req.user', () => {
  const byChain = (): RequestHandler =>
    new Passport()
      .use(userData.strategy())
      .use('anonymous', { authenticate: passThrough } as unknown as Strategy)
      .authenticate(['custom-user-data', 'anonymous'], { session: false }) as RequestHandler

  it('that presents a token, which no guard has looked at, is 500 with the reason, not 401', async () => {
    const token = await createSession()
    expect(await sendAll(createApp(), token)).toEqual(MISCONFIGURED)
    const messages: string[] = []
    const app = express()
      .use(userData.allow(true))
      .use(onError((error, res) => res.status(500).json(messages.push(error.message))))
    await request(app).get('/').auth(token, { type: 'bearer' })
    expect(messages).toEqual([
      expect.stringMatching(/^allow\(\) found no req\.user, although .* Mount authenticate\(\)/),
    ])
  })

  it('and without a token is told to send one', async () => {
    const answer = await request(createApp()).get('/allowed')
    expect({ status: answer.status, code: (answer.body as { code: string }).code }).toEqual({
      status: 401,
      code: 'missing_token',
    })
    const basic = await request(createApp()).get('/allowed').auth('alice', 'a password')
    expect(basic.status).toBe(401)
  })

  it.each<[string, () => RequestHandler[]]>([
    ['attach({ optional: true })', () => [userData.attach({ optional: true })]],
    ['a chain of passport that ends with another strategy', () => [byChain()]],
  ])('that %s let through stays a 401, whatever token a client makes up', async (_guard, create) => {
    const answer = await request(createApp(...create()))
      .get('/allowed')
      .auth('made.up.token', { type: 'bearer' })
    expect(answer.status).toBe(401)
  })
})

/** As the strategy of the package passport-anonymous does. */
function passThrough(this: { pass: () => void }): void {
  this.pass()
}

describe('the reason', () => {
  it('names the route and the guard to mount before it', async () => {
    const messages: string[] = []
    const app = express()
      .use(other.authenticate(), userData.ownData({ fields: ['language'] }))
      .use(
        onError((error, res) => {
          messages.push(error.message)
          res.end()
        }),
      )
    await request(app)
      .get('/')
      .auth(await createSession(), { type: 'bearer' })
    expect(messages).toEqual([
      'ownData() found a req.user that this instance did not authenticate or attach. Mount authenticate(), ' +
        'strategy() or attach() of the same instance before it, and keep claims and customData where you replace req.user.',
    ])
  })
})

describe('a request without a user', () => {
  it('is 401 with a challenge', async () => {
    const app = createApp(userData.authenticate({ optional: true }))
    for (const path of ['/me', '/sessions', '/allowed']) {
      const answer = await request(app).get(path)
      expect(answer.status).toBe(401)
      expect(expectChallenge(answer)).toEqual({ realm: 'api' })
    }
    expect((await request(app).post('/logout-all')).status).toBe(401)
  })
})

describe('ownSessions() behind attach()', () => {
  it('marks no session as current, because the app has authenticated the user', async () => {
    await createSession()
    const { body } = await request(createApp(...attaching())).get('/sessions')
    expect(body).toMatchObject([{ current: false }])
  })
})

describe('ownData() behind attach()', () => {
  it('shows the written data to later handlers, and accepts a spread of the user', async () => {
    const seen: unknown[] = []
    const own = userData.ownData({ fields: ['language'], upsert: true })
    const look: RequestHandler = (req, _res, next) => {
      seen.push(req.user?.customData['language'])
      next()
    }
    const writeTwice: RequestHandler = (req, res, next) => {
      res.once('finish', () => {
        look(req, res, () => undefined)
        spreading(req, res, () => undefined)
        userData.refreshCustomData(req).then(
          data => seen.push(data['language']),
          (error: unknown) => seen.push(error),
        )
      })
      next()
    }
    const app = express().use(...attaching(), writeTwice, own)
    await request(app).patch('/').send({ language: 'fr' }).expect(201)
    await expect.poll(() => seen).toEqual(['fr', 'fr'])
  })
})
