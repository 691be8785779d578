import express from 'express'
import type { Express, RequestHandler } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { CustomUserData } from 'express-custom-user-data'
import { asUser, createTestClock, createTestUserData, tokenFor } from 'express-custom-user-data/testing'
import { BSON } from 'mongodb'
import passport from 'passport'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData as createRealUserData } from '../support/user-data.js'

interface Profile {
  userId: string
  plan: 'free' | 'pro'
}

const HALF_HOUR_MS = 30 * 60 * 1000
/** In the runs for other drivers this package resolves another BSON than the tests. */
const COMMON = { bson: BSON } as const

const create = (options: object = {}): CustomUserData<Partial<Profile>> =>
  createTestUserData<Profile>({ ...COMMON, documents: { alice: { plan: 'pro' } }, ...options })

/** Creates an app that runs the middleware in their order, and answers with the user that a handler finds. */
function createApp(userData: CustomUserData<Partial<Profile>>, ...middleware: RequestHandler[]): Express {
  return express()
    .use(...middleware)
    .get('/', (req, res) => {
      const { id, customData, claims } = userData.user(req)
      expect(userData.userIfAny(req)).toBe(req.user)
      res.json({ id, plan: customData.plan, subject: claims.sub })
    })
    .use(userData.errorHandler())
}

const ALICE = { id: 'alice', plan: 'pro', subject: 'alice' }

describe('behind asUser() of a test instance', () => {
  it('a handler gets the user with the document that the instance has', async () => {
    const userData = create()
    const answer = await request(createApp(userData, asUser(userData, 'alice'))).get('/')
    expect(answer.body).toEqual(ALICE)
  })

  it('a handler gets the document that asUser() was given', async () => {
    const userData = create()
    const answer = await request(createApp(userData, asUser(userData, 'bob', { plan: 'free' }))).get('/')
    expect(answer.body).toEqual({ id: 'bob', plan: 'free', subject: 'bob' })
    expect(await userData.forUser('bob').read()).toMatchObject({ userId: 'bob', plan: 'free' })
  })

  it('the document of asUser() takes the place of a document with another _id', async () => {
    const userData = create({ documents: { alice: { _id: 7, plan: 'free' } } })
    await request(createApp(userData, asUser(userData, 'alice', { plan: 'pro' })))
      .get('/')
      .expect(200, ALICE)
  })

  it('the document of asUser() also reaches a user who was signed in before', async () => {
    const userData = create()
    const app = createApp(userData, asUser(userData, 'alice'))
    await request(app).get('/').expect(200, ALICE)
    asUser(userData, 'alice', { plan: 'free' })
    await request(app)
      .get('/')
      .expect(200, { ...ALICE, plan: 'free' })
  })

  it('a user without a document has empty custom data', async () => {
    const userData = create()
    const answer = await request(createApp(userData, asUser(userData, 'bob'))).get('/')
    expect(answer.body).toEqual({ id: 'bob', subject: 'bob' })
  })

  const guards: Record<string, (userData: CustomUserData<Partial<Profile>>) => RequestHandler> = {
    'authenticate()': userData => userData.authenticate(),
    'authenticate({ maxAgeMs: 0 })': userData => userData.authenticate({ maxAgeMs: 0 }),
    'attach()': userData => userData.attach(),
    'attach({ maxAgeMs: 0 })': userData => userData.attach({ maxAgeMs: 0 }),
    'allow() with a function': userData => userData.allow(user => user.customData.plan === 'pro'),
    'allow() with an expression': userData => userData.allow({ '%%user.custom_data.plan': 'pro' }),
    'allow() with maxAgeMs': userData => userData.allow(() => true, { maxAgeMs: 0 }),
    'passport with strategy()': userData => {
      const authenticator = new passport.Passport()
      authenticator.use(userData.strategy())
      return authenticator.authenticate('custom-user-data', { session: false }) as RequestHandler
    },
  }

  it.each(Object.entries(guards))('%s lets the user in', async (_name, createGuard) => {
    const userData = create()
    const app = createApp(userData, asUser(userData, 'alice'), createGuard(userData))
    const answer = await request(app).get('/')
    expect(answer.body).toEqual(ALICE)
  })

  it('two guards of which the first authenticates let the user in', async () => {
    const userData = create()
    const rule = userData.allow(user => user.id === 'alice')
    const app = createApp(userData, asUser(userData, 'alice'), userData.authenticate(), rule)
    await request(app).get('/').expect(200, ALICE)
  })

  it('allow() refuses a user for whom the rule does not hold', async () => {
    const userData = create()
    const rule = userData.allow(user => user.customData.plan === 'free')
    await request(createApp(userData, asUser(userData, 'alice'), rule))
      .get('/')
      .expect(403)
  })

  it.each(['authenticate', 'attach'] as const)('%s({ maxAgeMs }) reads fresher data', async name => {
    const userData = create()
    const cached = createApp(userData, asUser(userData, 'alice'))
    const fresh = createApp(userData, asUser(userData, 'alice'), userData[name]({ maxAgeMs: 0 }))
    await request(cached).get('/').expect(200, ALICE)
    await userData.forUser('alice').update({ plan: 'free' }, { invalidate: false })
    await request(cached).get('/').expect(200, ALICE)
    await request(fresh)
      .get('/')
      .expect(200, { ...ALICE, plan: 'free' })
  })

  it('refreshCustomData() reads the data of the request again', async () => {
    const userData = create()
    const refresh: RequestHandler = (req, _res, next) => {
      userData
        .forUser('alice')
        .update({ plan: 'free' }, { invalidate: false })
        .then(() => userData.refreshCustomData(req))
        .then(() => {
          next()
        }, next)
    }
    await request(createApp(userData, asUser(userData, 'alice'), refresh))
      .get('/')
      .expect(200, { ...ALICE, plan: 'free' })
  })

  it('each request has a user object of its own', async () => {
    const userData = create()
    const users = new Set<unknown>()
    const app = express().use(asUser(userData, 'alice'), (req, res) => {
      users.add(req.user)
      res.end()
    })
    await request(app).get('/')
    await request(app).get('/')
    expect(users.size).toBe(2)
  })

  it('parallel requests share one token', async () => {
    const userData = create()
    const logins: unknown[] = []
    userData.events.on('login', login => logins.push(login))
    const app = createApp(userData, asUser(userData, 'alice'))
    const server = app.listen(0, '127.0.0.1')
    const answers = await Promise.all(Array.from({ length: 5 }, () => request(server).get('/')))
    server.close()
    expect(answers.map(({ body }) => body as unknown)).toEqual(Array(5).fill(ALICE))
    expect(logins).toHaveLength(1)
  })

  it("the request's own Authorization header is replaced", async () => {
    const userData = create()
    const app = createApp(userData, asUser(userData, 'alice'), userData.authenticate())
    const bob = await tokenFor(userData, 'bob')
    await request(app).get('/').set('Authorization', `Bearer ${bob}`).expect(200, ALICE)
  })

  it('data becomes stale after 30 minutes, and the user stays signed in', async () => {
    const clock = createTestClock()
    const userData = create({ clock })
    const app = createApp(userData, asUser(userData, 'alice'))
    await request(app).get('/').expect(200, ALICE)
    await userData.forUser('alice').update({ plan: 'free' }, { invalidate: false })
    clock.advance(HALF_HOUR_MS - 1)
    await request(app).get('/').expect(200, ALICE)
    clock.advance(HALF_HOUR_MS)
    await request(app)
      .get('/')
      .expect(200, { ...ALICE, plan: 'free' })
    await request(app)
      .get('/')
      .expect(200, { ...ALICE, plan: 'free' })
  })

  it('parallel requests after the end of a token share one new token', async () => {
    const clock = createTestClock()
    const userData = create({ clock })
    const logins: unknown[] = []
    userData.events.on('login', login => logins.push(login))
    const server = createApp(userData, asUser(userData, 'alice')).listen(0, '127.0.0.1')
    await request(server).get('/').expect(200)
    clock.advance(2 * HALF_HOUR_MS)
    const answers = await Promise.all(Array.from({ length: 5 }, () => request(server).get('/')))
    server.close()
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(logins).toHaveLength(2)
  })

  it('a user whom requireDocument refuses is refused, until the user has a document', async () => {
    const userData = create({ requireDocument: true })
    const app = createApp(userData, asUser(userData, 'bob'))
    await request(app).get('/').expect(403)
    await userData.forUser('bob').replace({ plan: 'free' }, { upsert: true })
    await request(app).get('/').expect(200, { id: 'bob', plan: 'free', subject: 'bob' })
  })

  it('a user whose document is removed meanwhile is refused with requireDocument', async () => {
    const userData = create({ requireDocument: true })
    const app = createApp(userData, asUser(userData, 'alice'))
    await request(app).get('/').expect(200)
    await userData.forUser('alice').delete()
    await request(app).get('/').expect(403)
  })
})

describe('behind asUser() without an instance', () => {
  it('a handler reads req.user', async () => {
    const app = express().use(asUser('alice', { plan: 'pro' }), (req, res) => res.json(req.user))
    const answer = await request(app).get('/')
    expect(answer.body).toMatchObject({ id: 'alice', customData: { plan: 'pro' }, claims: { sub: 'alice' } })
  })

  it.each([
    ['allow()', 500, (userData: CustomUserData<object>) => userData.allow(() => true)],
    ['authenticate()', 401, (userData: CustomUserData<object>) => userData.authenticate()],
  ])('%s of an instance refuses the user with %i', async (_name, status, createGuard) => {
    const userData = create()
    userData.events.on('request_failed', () => undefined)
    await request(createApp(userData, asUser('alice'), createGuard(userData)))
      .get('/')
      .expect(status)
  })
})

describe('an instance over a real MongoDB', () => {
  const database = useDatabase()

  it('signs users in by asUser() and tokenFor()', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: 'alice', plan: 'pro' })
    const userData = createRealUserData(database) as CustomUserData<Partial<Profile>>
    await userData.ready()
    await request(createApp(userData, asUser(userData, 'alice'), userData.authenticate()))
      .get('/')
      .expect(200, ALICE)
    await request(createApp(userData, userData.authenticate()))
      .get('/')
      .set('Authorization', `Bearer ${await tokenFor(userData, 'alice')}`)
      .expect(200, ALICE)
    await userData.close()
  })

  it('gets no document from asUser()', () => {
    const userData = createRealUserData(database)
    expect(() => asUser(userData, 'alice', { plan: 'pro' })).toThrow(OptionError)
    expect(() => asUser(userData, 'alice', { plan: 'pro' })).toThrow('forUser(userId).replace(')
  })
})

describe('asUser() refuses', () => {
  it.each([
    [[undefined, 'alice'], 'the first argument is undefined'],
    [[{}, 'alice'], 'the first argument is an object'],
    [[createTestUserData, 'alice'], 'the first argument is a function'],
    [[''], 'a text of 1 to 255 characters'],
    [[create(), undefined], 'a text of 1 to 255 characters'],
    [['alice', 'pro'], 'the document of "alice" is a text'],
  ])('the arguments %#', (given, message) => {
    expect(() => (asUser as (...args: unknown[]) => unknown)(...given)).toThrow(TypeError)
    expect(() => (asUser as (...args: unknown[]) => unknown)(...given)).toThrow(message)
  })
})
