import express from 'express'
import type { RequestHandler } from 'express'
import { createCustomUserData } from 'express-custom-user-data'
import request from 'supertest'
import { beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
beforeAll(async () => {
  userData = createTestUserData(database)
})

/** Options whose members are getters that count how often they are read. */
function counting<T extends object>(values: T): { options: T; reads: Record<string, number> } {
  const reads: Record<string, number> = {}
  const options = {} as T
  for (const [name, value] of Object.entries(values)) {
    reads[name] = 0
    Object.defineProperty(options, name, {
      enumerable: true,
      get: () => {
        reads[name] = (reads[name] ?? 0) + 1
        return value as unknown
      },
    })
  }
  return { options, reads }
}

const alice: RequestHandler = (req, _res, next) => {
  req.user = { id: 'x', accountId: 'alice' } as unknown as Express.User
  next()
}

describe('each option', () => {
  it.each([
    ['authenticate', { optional: true, maxAgeMs: 5 }, (given: object) => userData.authenticate(given)],
    [
      'attach',
      { userId: () => 'a', boundTo: () => 'b', expiresAt: () => 1, optional: true, maxAgeMs: 1 },
      (given: object) => userData.attach(given),
    ],
    ['allow', { maxAgeMs: 1, timeoutMs: 1 }, (given: object) => userData.allow(true, given)],
    ['login', { account: () => 'a' }, (given: object) => userData.login(() => null, given)],
    ['ownData', { fields: ['a'], upsert: true }, (given: object) => userData.ownData(given)],
    ['issueTokens', { device: 'a', address: null }, (given: object) => userData.issueTokens('alice', given)],
    [
      'update',
      { upsert: true, invalidate: false },
      (given: object) => userData.forUser('alice').update({ a: 1 }, given),
    ],
  ])('of %s is read once', async (_name, values, call) => {
    const { options, reads } = counting(values)
    await call(options)
    expect(new Set(Object.values(reads))).toEqual(new Set([1]))
  })

  it('may be inherited', async () => {
    const options = Object.create({ optional: true }) as object
    const app = express().get('/', userData.authenticate(options), (_req, res) => res.send('anonymous'))
    await request(app).get('/').expect(200, 'anonymous')
  })
})

describe('an options object that is changed after the call', () => {
  it('has no effect on authenticate()', async () => {
    const options = { optional: true }
    const guard = userData.authenticate(options)
    options.optional = false
    await request(express().get('/', guard, (_req, res) => res.send('anonymous')))
      .get('/')
      .expect(200)
  })

  it('has no effect on attach()', async () => {
    const options = { userId: () => 'alice', boundTo: () => 'session' }
    const guard = userData.attach(options)
    options.userId = () => 'mallory'
    const seen: unknown[] = []
    const app = express().get('/', alice, guard, userData.allow({ '%%user.id': 'alice' }), (_req, res) => {
      seen.push(true)
      res.end()
    })
    await request(app).get('/').expect(200)
    expect(seen).toEqual([true])
  })

  it('has no effect on ownData()', async () => {
    const fields = ['language']
    const app = express()
      .use(userData.authenticate())
      .use('/me', userData.ownData({ fields, upsert: true }))
      .use(userData.errorHandler())
    fields.push('role')
    const answer = await request(app)
      .patch('/me')
      .set('Authorization', bearerOf('own-data'))
      .send({ role: 'admin' })
    expect(answer.status).toBe(400)
  })

  it('has no effect on the projection of an instance', async () => {
    await database.db.collection('custom_user_data').insertOne({ userId: 'projected', a: 1, secret: 2 })
    const projection: Record<string, unknown> = { secret: 0 }
    const projecting = createTestUserData(database, { projection })
    delete projection['secret']
    projection['a'] = 0
    const { customData } = await projecting.verifyToken(bearerOf('projected').slice('Bearer '.length))
    expect(customData).toMatchObject({ a: 1 })
    expect(customData).not.toHaveProperty('secret')
  })
})

it('options of routes and guards may be undefined, for code with exactOptionalPropertyTypes', () => {
  const userData = createTestUserData(database)
  const none = undefined
  userData.login(() => null, {
    answer: none,
    refreshTokenField: none,
    body: none,
    account: none,
    extendedJson: none,
  })
  userData.login(() => null, { maxSessionsPerUser: none, persistent: none })
  userData.refresh({ answer: none, refreshTokenField: none, extendedJson: none })
  userData.logout({ refreshTokenField: none })
  userData.allow(() => true, { timeoutMs: none })
  userData.attach({ optional: none })
  userData.errorHandler({ onError: none })
})

describe('an argument that is no object of options', () => {
  type Call = (given: never) => unknown
  const needed: readonly (readonly [name: string, call: Call])[] = [
    ['createCustomUserData', given => createCustomUserData(given)],
    ['passwordCredentials()', given => userData.passwordCredentials(given)],
    ['ownData()', given => userData.ownData(given)],
    ['addTrustedIssuer()', given => userData.addTrustedIssuer(given)],
    ['authenticateLogin()', given => userData.authenticateLogin(given)],
  ]
  const optional: typeof needed = [
    ['authenticate()', given => userData.authenticate(given)],
    ['attach()', given => userData.attach(given)],
    ['allow()', given => userData.allow(() => true, given)],
    ['login()', given => userData.login(() => null, given)],
    ['refresh()', given => userData.refresh(given)],
    ['logout()', given => userData.logout(given)],
    ['errorHandler()', given => userData.errorHandler(given)],
    ['issueTokens()', given => userData.issueTokens('alice', given)],
    ['exchangeRefreshToken()', given => userData.exchangeRefreshToken('a', given)],
    ['endSession()', given => userData.endSession('a', given)],
    ['storedAbout()', given => userData.storedAbout('alice', given)],
    ['verifyToken()', given => userData.verifyToken('a', given)],
    ['forUser().update()', given => userData.forUser('alice').update({}, given)],
  ]
  async function messageOf(call: Call, given: unknown): Promise<string> {
    try {
      await call(given as never)
    } catch (error) {
      return String(error)
    }
    return 'no error'
  }

  it.each([...needed, ...optional])('is refused by %s as by all others', async (name, call) => {
    for (const [given, shown] of [
      [null, 'null'],
      ['x', 'a text'],
      [[], 'a list'],
    ]) {
      const message = await messageOf(call, given)
      expect(message.startsWith(`OptionError: ${name}: `)).toBe(true)
      expect(message).toMatch(
        new RegExp(
          `: (give|write) [^:]*[a-z}] \\(given: ${String(shown)}\\)\\. See node_modules/express-custom-user-data/docs/reference/options.md#[a-z]+$`,
        ),
      )
    }
  })

  it.each(needed)('is an object without options for %s if it is left out', async (name, call) => {
    const message = await messageOf(call, undefined)
    expect(message.startsWith(`OptionError: ${name}: option "`)).toBe(true)
    expect(message).toBe(await messageOf(call, {}))
  })
})
