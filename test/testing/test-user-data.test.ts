import express from 'express'
import type { Express } from 'express'
import { CustomUserDataError, OptionError } from 'express-custom-user-data'
import type { CustomUserData } from 'express-custom-user-data'
import { createTestClock, createTestUserData, tokenFor } from 'express-custom-user-data/testing'
import { Binary, BSON, Long, ObjectId } from 'mongodb'
import request from 'supertest'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { findInstalledBson } from '../../lib/testing/installed-bson.js'
import { createManualClock } from '../support/clock.js'
import { claims, FOREIGN_AUDIENCE, FOREIGN_SECRET, hs, SECONDS } from '../support/foreign-tokens.js'

interface Profile {
  userId: string
  plan: 'free' | 'pro'
  scores?: number[]
  address?: { city?: string; zip?: string }
}

const HALF_HOUR_MS = 30 * 60 * 1000

/** Options that all instances of these tests have: in the runs for other drivers this package resolves another BSON. */
const COMMON = { bson: BSON } as const

/** Creates an app whose route answers with the custom data that its guard gives. */
function createApp(userData: CustomUserData<object>, guard = userData.authenticate()): Express {
  const app = express()
  app.get('/me', guard, (req, res) => res.json(userData.user(req).customData))
  return app.use(userData.errorHandler())
}

async function bearer(userData: CustomUserData<object>, userId: string): Promise<[string, string]> {
  return ['Authorization', `Bearer ${await tokenFor(userData, userId)}`]
}

describe('an instance of createTestUserData()', () => {
  it('answers a token of its own with the document of the user', async () => {
    const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro' } } })
    const answer = await request(createApp(userData))
      .get('/me')
      .set(...(await bearer(userData, 'alice')))
    expect(answer.body).toMatchObject({ userId: 'alice', plan: 'pro' })
  })

  it.each([
    ['no user has one', {}],
    ['another user has one', { alice: { plan: 'pro' } }],
  ])(
    'gives a user without a document an empty object, without a warning of the checks, if %s',
    async (_case, documents) => {
      const userData = createTestUserData<object>({ ...COMMON, documents, checks: true })
      const warnings: unknown[] = []
      userData.events.on('warning', warning => warnings.push(warning))
      const answer = await request(createApp(userData))
        .get('/me')
        .set(...(await bearer(userData, 'bob')))
      expect(answer.body).toEqual({})
      await userData.ready()
      await userData.close()
      expect(warnings).toEqual([])
    },
  )

  it.each([
    [undefined, []],
    [true, [{ code: 'guard_missing' }]],
  ])(
    'says nothing about an incomplete app, unless its checks are turned on: %j',
    async (checks, expected) => {
      const userData = createTestUserData({ ...COMMON, checks })
      const warnings: unknown[] = []
      userData.events.on('warning', warning => warnings.push(warning))
      const allow = userData.allow(() => true)
      await request(express().use(allow, userData.errorHandler())).get('/').expect(401)
      expect(warnings).toMatchObject(expected)
      expect(warnings).toHaveLength(expected.length)
    },
  )

  it('refuses the token of another test instance', async () => {
    const one = createTestUserData(COMMON)
    const other = createTestUserData(COMMON)
    await request(createApp(one))
      .get('/me')
      .set(...(await bearer(other, 'alice')))
      .expect(401)
  })

  it('refuses a request without a token', async () => {
    await request(createApp(createTestUserData(COMMON)))
      .get('/me')
      .expect(401)
  })

  it('gives frozen custom data and copies the documents that it is given', async () => {
    const document = { scores: [1] }
    const userData = createTestUserData({ ...COMMON, documents: { alice: document } })
    document.scores.push(2)
    const { customData } = await userData.verifyToken(await tokenFor(userData, 'alice'))
    expect(customData.scores).toEqual([1])
    expect(Object.isFrozen(customData)).toBe(true)
    expect(Object.isFrozen(customData.scores)).toBe(true)
  })

  it('stores values as MongoDB does', async () => {
    const document = {
      bytes: Buffer.from('a'),
      big: Long.fromNumber(7),
      at: new Date(0),
      id: new ObjectId('65a000000000000000000001'),
      nothing: undefined,
      call: () => 1,
    }
    const userData = createTestUserData({ ...COMMON, documents: { alice: document } })
    const read = await userData.forUser('alice').read()
    expect(read).toEqual({
      _id: expect.any(ObjectId) as ObjectId,
      userId: 'alice',
      bytes: new Binary(Buffer.from('a')),
      big: 7,
      at: new Date(0),
      id: document.id,
      nothing: null,
    })
  })

  it('keeps ids that look like an ObjectId as texts', async () => {
    const id = '65a000000000000000000001'
    const userData = createTestUserData({ ...COMMON, documents: { [id]: { plan: 'pro' } } })
    expect(await userData.forUser(id).read()).toMatchObject({ userId: id, plan: 'pro' })
  })

  it('stores the value of toFieldValues in the user id field', async () => {
    const userData = createTestUserData({
      ...COMMON,
      documents: { 7: { plan: 'pro' } },
      userIdField: 'owner.number',
      toFieldValues: id => [Number(id)],
    })
    expect(await userData.forUser('7').read()).toMatchObject({ owner: { number: 7 }, plan: 'pro' })
    expect(await userData.forUser('8').read()).toBeUndefined()
  })

  it('finds documents by _id if that is the user id field', async () => {
    const userData = createTestUserData({
      ...COMMON,
      documents: { alice: { plan: 'pro' } },
      userIdField: '_id',
    })
    expect(await userData.forUser('alice').read()).toEqual({ _id: 'alice', plan: 'pro' })
    await userData.forUser('bob').replace({ plan: 'free' }, { upsert: true })
    expect(await userData.forUser('bob').read()).toEqual({ _id: 'bob', plan: 'free' })
  })

  it('keeps the _id that a document brings', async () => {
    const userData = createTestUserData({ ...COMMON, documents: { alice: { _id: 7, plan: 'pro' } } })
    expect(await userData.forUser('alice').read()).toMatchObject({ _id: 7, userId: 'alice' })
  })

  it.each([
    [{ plan: 1 }, { plan: 'pro' }],
    [{ _id: 0, userId: 0, scores: 0, address: 0 }, { plan: 'pro' }],
    [
      { _id: 0, plan: true, 'address.city': 1 },
      { plan: 'pro', address: { city: 'Bern' } },
    ],
    [{ _id: 0, tariff: '$plan' }, { tariff: 'pro' }],
    [
      { _id: 0, plan: 1, home: { $literal: 1 } },
      { plan: 'pro', home: 1 },
    ],
    [{ _id: 0, missing: '$nothing' }, {}],
  ])('applies the projection %j', async (projection, expected) => {
    const alice = { plan: 'pro', scores: [1], address: { city: 'Bern', zip: '3000' } }
    const documents: Record<string, Record<string, unknown>> = { alice }
    const userData = createTestUserData({ ...COMMON, documents, projection })
    const { _id, ...read } = { ...(await userData.forUser('alice').read()) }
    expect(read).toEqual(expected)
    expect(_id === undefined).toBe('_id' in projection)
  })

  it.each([
    [{ name: { $concat: ['$a', '$b'] } }, '$concat'],
    [{ name: '$$REMOVE' }, '$$REMOVE'],
    [{ address: { city: 1 } }, 'city'],
    [{ plan: 0, tariff: '$plan' }, 'at once'],
    [{ 'a.b': '$plan' }, 'at once'],
  ])('says that the projection %j needs a real MongoDB', async (projection, named) => {
    const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro' } }, projection })
    const read = userData.forUser('alice').read()
    await expect(read).rejects.toMatchObject({ code: 'real_mongodb_needed', status: 500 })
    await expect(read).rejects.toThrow(named)
    await expect(read).rejects.toThrow('mongodb-memory-server')
  })

  it('checks documents by the schema', async () => {
    const schema = z.object({ plan: z.enum(['free', 'pro']) })
    const documents = { alice: { plan: 'pro' }, bob: { plan: 'none' } } as const
    const userData = createTestUserData<object>({ ...COMMON, documents, schema })
    expect(await userData.forUser('alice').read()).toEqual({ plan: 'pro' })
    await expect(userData.forUser('bob').read()).rejects.toMatchObject({ code: 'custom_data_invalid' })
  })

  it('refuses users without a document with requireDocument', async () => {
    const userData = createTestUserData({
      ...COMMON,
      documents: { alice: { plan: 'pro' } },
      requireDocument: true,
    })
    const plan: string = (await userData.verifyToken(await tokenFor(userData, 'alice'))).customData.plan
    expect(plan).toBe('pro')
    await expect(tokenFor(userData, 'bob')).rejects.toMatchObject({ code: 'custom_data_missing' })
  })

  it('measures documents by maxDocumentBytes', async () => {
    const documents = { alice: { plan: 'p'.repeat(100) } }
    const userData = createTestUserData({ ...COMMON, documents, maxDocumentBytes: 100 })
    await expect(userData.forUser('alice').read()).rejects.toMatchObject({ code: 'custom_data_too_large' })
  })

  it('puts the document into its tokens with userDataInToken', async () => {
    const documents = { alice: { plan: 'pro', count: Long.fromNumber(1) } }
    const userData = createTestUserData({ ...COMMON, documents, userDataInToken: 'canonical' })
    const { access_token: token } = await userData.issueTokens('alice')
    const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as object
    expect(payload).toMatchObject({ user_data: { plan: 'pro', count: { $numberLong: '1' } } })
  })

  it('reads its sessions with sessionCheckIntervalMs', async () => {
    const clock = createTestClock()
    const options = { accessTokenTtlSeconds: 7_200, refreshTokenTtlSeconds: 3_600, sessionCheckIntervalMs: 0 }
    const userData = createTestUserData({ ...COMMON, ...options, clock })
    const token = await tokenFor(userData, 'alice')
    expect(await userData.verifyToken(token)).toMatchObject({ id: 'alice' })
    clock.advance(2 * HALF_HOUR_MS)
    await expect(userData.verifyToken(token)).rejects.toThrow('The session of the access token has ended.')
  })

  it('needs the option bson if the module mongodb cannot be loaded', () => {
    const load = () => {
      throw new Error("Cannot find module 'mongodb'")
    }
    expect(() => findInstalledBson(load)).toThrow(OptionError)
    expect(() => findInstalledBson(load)).toThrow('write bson: mongoose.mongo.BSON')
  })

  it('is ready, and has its indexes', async () => {
    const userData = createTestUserData(COMMON)
    expect(await userData.ready()).toEqual({
      changeStreams: { custom_data: 'off', sessions: 'off' },
      indexes: { custom_data: 'there', sessions: 'there', login_attempts: 'off' },
    })
    await userData.close()
    await expect(userData.forUser('alice').read()).resolves.toBeUndefined()
  })

  it('logs users in by login()', async () => {
    const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro' } } })
    const app = express().post(
      '/login',
      userData.login(({ username }) => ({ id: String(username) })),
    )
    const login = await request(app)
      .post('/login')
      .send({ username: 'alice', password: 'secret' })
      .expect(200)
    expect(login.body).toMatchObject({ user: { id: 'alice', customData: { plan: 'pro' } } })
    const { access_token: token } = login.body as { access_token: string }
    expect(await userData.verifyToken(token)).toMatchObject({ id: 'alice' })
  })

  it('checks tokens of another service, and reports failures', async () => {
    const userData = createTestUserData({ ...COMMON, clock: createManualClock(SECONDS * 1000) })
    const verify = userData.tokenVerifier({
      keys: [{ alg: 'HS256', key: FOREIGN_SECRET }],
      audience: FOREIGN_AUDIENCE,
    })
    expect(await verify(hs())).toMatchObject({ sub: 'alice' })
    await expect(verify(hs(claims({ aud: 'x' })))).rejects.toMatchObject({ code: 'invalid_token' })
    const failed: string[] = []
    userData.events.on('request_failed', ({ message }) => failed.push(message))
    userData.reportFailure(new Error('the job failed'))
    expect(failed).toEqual(['the job failed'])
  })

  it('creates the document of a new user by the hook createCustomData', async () => {
    const hooks = { createCustomData: () => Promise.resolve({ plan: 'free' }) }
    const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro' } }, hooks })
    for (const [id, plan] of [
      ['alice', 'pro'],
      ['bob', 'free'],
    ] as const) {
      const { customData } = await userData.verifyToken(await tokenFor(userData, id))
      expect(customData).toMatchObject({ userId: id, plan })
    }
  })

  it('works while a test has stopped all timers', async () => {
    vi.useFakeTimers()
    try {
      const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro' } } })
      const { customData } = await userData.verifyToken(await tokenFor(userData, 'alice'))
      expect(customData).toMatchObject({ plan: 'pro' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('answers ownData() without MongoDB to a reader, and not to a writer', async () => {
    const userData = createTestUserData({ ...COMMON, documents: { alice: { plan: 'pro', secret: 1 } } })
    const app = express()
      .use(userData.authenticate())
      .use('/me', userData.ownData({ fields: ['plan'] }))
      .use(userData.errorHandler())
    const header = await bearer(userData, 'alice')
    const read = await request(app)
      .get('/me')
      .set(...header)
      .expect(200)
    expect(read.body).toEqual({ plan: 'pro' })
    const failures: string[] = []
    userData.events.on('request_failed', ({ code }) => failures.push(code))
    await request(app)
      .patch('/me')
      .set(...header)
      .send({ plan: 'free' })
      .expect(500)
    expect(failures).toEqual(['real_mongodb_needed'])
  })
})

describe('forUser() of a test instance', () => {
  const alice: Partial<Profile> = { plan: 'pro', scores: [1], address: { city: 'Bern', zip: '3000' } }
  const create = () => createTestUserData<Profile>({ ...COMMON, documents: { alice } })

  it('replaces a document, and drops the snapshots of the user', async () => {
    const userData = create()
    const token = await tokenFor(userData, 'alice')
    const replaced = await userData.forUser('alice').replace({ plan: 'free' })
    expect(replaced).toEqual({ _id: expect.any(ObjectId) as ObjectId, userId: 'alice', plan: 'free' })
    expect((await userData.verifyToken(token)).customData).toEqual(replaced)
  })

  it('updates fields, and drops the snapshots of the user', async () => {
    const userData = create()
    const token = await tokenFor(userData, 'alice')
    await userData.forUser('alice').update({ plan: 'free' })
    expect((await userData.verifyToken(token)).customData).toMatchObject({ plan: 'free', scores: [1] })
  })

  it('keeps the snapshots with invalidate: false, as if another process had written', async () => {
    const userData = create()
    const token = await tokenFor(userData, 'alice')
    await userData.forUser('alice').update({ plan: 'free' }, { invalidate: false })
    expect((await userData.verifyToken(token)).customData).toMatchObject({ plan: 'pro' })
    expect((await userData.verifyToken(token, { maxAgeMs: 0 })).customData).toMatchObject({ plan: 'free' })
  })

  it('sets and removes fields by their paths', async () => {
    const user = create().forUser('alice')
    await user.update({
      $set: { 'address.city': 'Basel', 'settings.dark': true },
      $unset: { 'address.zip': 1, 'no.such': 1 },
    })
    expect(await user.read()).toMatchObject({ address: { city: 'Basel' }, settings: { dark: true } })
    expect((await user.read())?.address).toEqual({ city: 'Basel' })
  })

  it('keeps the numbers that an update does not name', async () => {
    const userData = createTestUserData({
      ...COMMON,
      documents: { alice: { big: Long.fromString('9007199254740993'), half: 0.5, whole: 1 } },
    })
    await userData.forUser('alice').update({ $set: { plan: 'pro' } })
    const read = await userData.forUser('alice').read()
    expect(read).toMatchObject({ half: 0.5, whole: 1, plan: 'pro' })
    expect(String(read?.big)).toBe('9007199254740993')
  })

  it('creates documents with upsert alone', async () => {
    const userData = create()
    expect(await userData.forUser('bob').update({ plan: 'free' })).toBeUndefined()
    expect(await userData.forUser('bob').replace({ plan: 'free' })).toBeUndefined()
    expect(await userData.forUser('bob').update({ plan: 'free' }, { upsert: true })).toMatchObject({
      userId: 'bob',
    })
    expect(await userData.forUser('carol').replace({ plan: 'pro' }, { upsert: true })).toMatchObject({
      userId: 'carol',
    })
  })

  it('creates a document although another user has the _id that it would get', async () => {
    const first = createTestUserData(COMMON)
    const { _id } = (await first.forUser('bob').replace({}, { upsert: true }))!
    const documents = { alice: { _id } }
    const userData = createTestUserData({ ...COMMON, documents })
    expect(await userData.forUser('bob').replace({ plan: 'pro' }, { upsert: true })).toMatchObject({
      userId: 'bob',
    })
    expect(await userData.forUser('carol').update({ plan: 'pro' }, { upsert: true })).toMatchObject({
      userId: 'carol',
    })
    expect(await userData.forUser('alice').read()).toMatchObject({ userId: 'alice' })
  })

  it('removes documents', async () => {
    const userData = create()
    expect(await userData.forUser('alice').delete()).toBe(true)
    expect(await userData.forUser('alice').delete()).toBe(false)
    expect(await userData.forUser('alice').read()).toBeUndefined()
  })

  it('refuses a change of the user id, as a real instance does', async () => {
    const update = create()
      .forUser('alice')
      .update({ $set: { userId: 'bob' } })
    await expect(update).rejects.toThrow('"userId" cannot be changed')
  })
})

describe('a test instance rejects with real_mongodb_needed', () => {
  const create = () =>
    createTestUserData({
      ...COMMON,
      documents: { alice: { scores: [1], plan: 'pro', at: new Date(0) } },
    })
  const calls: Record<string, (userData: ReturnType<typeof create>) => Promise<unknown>> = {
    'forUser().update() with $inc': userData => userData.forUser('alice').update({ $inc: { credits: 1 } }),
    'forUser().update() of an element': userData =>
      userData.forUser('alice').update({ $set: { 'scores.0': 2 } }),
    'forUser().update() with arrayFilters': userData =>
      userData.forUser('alice').update({ $set: { plan: 'x' } }, { arrayFilters: [{ x: 1 }] }),
    'forUser().watch()': userData => userData.forUser('alice').watch(),
    'forUser().update() that returns the document before': userData =>
      userData.forUser('alice').update({ plan: 'x' }, { returns: 'before' }),
    'forUser().update() with where and an operator that is unknown here': userData =>
      userData.forUser('alice').update({ plan: 'x' }, { where: { plan: { $regex: 'p' } } }),
    'forUser().find() with an operator that is unknown here': userData =>
      userData.forUser('alice').find({ $or: [{ plan: 'pro' }] }),
    'forUser().find() of a path through a list': userData =>
      userData.forUser('alice').find({}, { projection: { x: '$scores.y' } }),
    'sessions()': userData => userData.sessions('alice'),
    'revoke() of a user': userData => userData.revoke('alice'),
    'disable()': userData => userData.disable('alice'),
    'deleteSessions()': userData => userData.deleteSessions('alice'),
    'storedAbout()': userData => userData.storedAbout('alice'),
    'eraseUser()': userData => userData.eraseUser('alice'),
    'exchangeRefreshToken()': async userData => {
      const { refresh_token: token } = await userData.issueTokens('alice')
      return userData.exchangeRefreshToken(token)
    },
    'endSession()': async userData => {
      const { refresh_token: token } = await userData.issueTokens('alice')
      return userData.endSession(token)
    },
  }

  it.each(Object.entries(calls))('for %s', async (_name, call) => {
    const rejected = call(create())
    await expect(rejected).rejects.toBeInstanceOf(CustomUserDataError)
    await expect(rejected).rejects.toMatchObject({ code: 'real_mongodb_needed', status: 500 })
  })

  it('but a wrong option of forUser().watch() is an OptionError, as with MongoDB', async () => {
    const rejected = create()
      .forUser('alice')
      .watch({ singal: AbortSignal.abort() } as object)
    await expect(rejected).rejects.toThrow('did you mean "signal"?')
  })
})

describe('createTestUserData() refuses', () => {
  it.each([
    [{ collection: {} }, 'does not take the option "collection"'],
    [{ secret: 'x'.repeat(40) }, 'does not take the option "secret"'],
    [{ loginThrottle: {} }, 'write false'],
    [{ maxSessionsPerUser: 5 }, 'write false'],
    [{ changeStreams: 'auto' }, 'write "off"'],
    [{ documents: [] }, 'option "documents"'],
    [{ documents: 'alice' }, 'option "documents"'],
    [{ document: {} }, 'there is no option "document"'],
    [{ projektion: {} }, 'did you mean "projection"?'],
    [{ documents: { alice: 'pro' } }, 'the document of "alice" is a text'],
    [[], 'the options are a list'],
  ])('the options %j', (options, message) => {
    expect(() => createTestUserData(options as object)).toThrow(OptionError)
    expect(() => createTestUserData(options as object)).toThrow(message)
  })

  it('a user id that no token can have, and a document of another user', () => {
    expect(() => createTestUserData({ documents: { '': {} } })).toThrow('text of 1 to 255 characters')
    expect(() => createTestUserData({ documents: { alice: { userId: 'bob' } } })).toThrow(
      'identifies the user',
    )
  })

  it('nothing that has the value which it has anyway', () => {
    createTestUserData({ loginThrottle: false, changeStreams: 'off', secret: undefined } as object)
  })
})

describe('createTestClock()', () => {
  it('lets a token expire without waiting', async () => {
    const clock = createTestClock()
    const userData = createTestUserData({ ...COMMON, clock })
    const token = await tokenFor(userData, 'alice')
    clock.advance(HALF_HOUR_MS - 1)
    expect(await userData.verifyToken(token)).toMatchObject({ id: 'alice' })
    clock.advance(10_000)
    await expect(userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('lets a snapshot become stale while its token lives', async () => {
    const clock = createTestClock()
    const userData = createTestUserData<Profile>({
      ...COMMON,
      documents: { alice: { plan: 'pro' } },
      accessTokenTtlSeconds: 2 * 60 * 60,
      clock,
    })
    const header = await bearer(userData, 'alice')
    const app = createApp(userData)
    await userData.forUser('alice').update({ plan: 'free' }, { invalidate: false })
    clock.advance(HALF_HOUR_MS - 1)
    expect(
      (
        await request(app)
          .get('/me')
          .set(...header)
      ).body,
    ).toMatchObject({ plan: 'pro' })
    clock.advance(1)
    expect(
      (
        await request(app)
          .get('/me')
          .set(...header)
      ).body,
    ).toMatchObject({ plan: 'free' })
  })

  it('stands still, from the time that it is given', () => {
    const clock = createTestClock(new Date('2030-01-01T00:00:00Z'))
    expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:00:00.000Z')
    clock.advance(1_500)
    expect(new Date(clock.now()).toISOString()).toBe('2030-01-01T00:00:01.500Z')
    expect(createTestClock(5).now()).toBe(5)
    const before = clock.monotonic()
    clock.advance(7)
    expect(clock.monotonic() - before).toBe(7)
  })

  it.each([[-1], [NaN], [Infinity], ['5']])('refuses to advance by %j', ms => {
    expect(() => createTestClock().advance(ms as number)).toThrow(OptionError)
  })

  it.each([[new Date(NaN)], [NaN], ['soon']])('refuses to start at %j', start => {
    expect(() => createTestClock(start as number)).toThrow('is no time')
  })
})
