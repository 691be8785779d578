import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { Collection } from 'mongodb'
import { Passport } from 'passport'
import request from 'supertest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase, useProxiedDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import { bearerOf } from '../support/guarded-app.js'
import { expectChallenge } from '../support/http.js'
import { createTestUserData } from '../support/user-data.js'

const LOAD_TIMEOUT_MS = 300

const deadlines = holdDeadlines()
const direct = useDatabase()
const database = useProxiedDatabase(direct)
let documents: Collection
let userData: ReturnType<typeof createTestUserData>
let token: string

beforeEach(async () => {
  documents = direct.db.collection('custom_user_data')
  await documents.deleteMany()
  await documents.insertOne({ userId: 'alice', n: 1, since: new Date(0) })
  const clock = createManualClock()
  userData = createTestUserData(database, { clock, loadTimeoutMs: LOAD_TIMEOUT_MS })
  await userData.ready()
  token = bearerOf('alice', clock.now())
})
afterEach(() => database.proxy.restore())

const change = (n: number) => documents.updateOne({ userId: 'alice' }, { $set: { n } })

class Account {
  readonly #name = 'alice'
  get id() {
    return this.#name
  }
}

const byOthers =
  (createUser: () => object): RequestHandler =>
  (req, _res, next) => {
    req.user = createUser() as Express.User
    next()
  }

const ways: { way: string; guards: () => RequestHandler[] }[] = [
  { way: 'authenticate()', guards: () => [userData.authenticate()] },
  {
    way: 'strategy()',
    guards: () => [
      new Passport()
        .use(userData.strategy())
        .authenticate('custom-user-data', { session: false }) as RequestHandler,
    ],
  },
  { way: 'attach()', guards: () => [byOthers(() => ({ id: 'alice' })), userData.attach()] },
  { way: 'attach() to an instance', guards: () => [byOthers(() => new Account()), userData.attach()] },
  {
    way: 'attach() by another id',
    guards: () => [byOthers(() => ({ name: 'alice' })), userData.attach({ userId: () => 'alice' })],
  },
]

/** `/` runs `handler`, `/me` shows the data that the token has. */
function createApp(guards: RequestHandler[], handler: RequestHandler): Express {
  return express()
    .use(...guards)
    .get('/', handler)
    .get('/me', (req, res) => res.json(req.user?.customData))
    .use(userData.errorHandler())
}

const ask = (app: Express, path = '/') => request(app).get(path).set('Authorization', token)

describe.each(ways)('refreshCustomData() behind $way', ({ guards }) => {
  it('resolves to the current data, which req.user and later requests with the token get', async () => {
    const app = createApp(guards(), async (req, res) => {
      await change(2)
      const before = req.user!.customData
      const fresh = await userData.refreshCustomData(req)
      expect(before['n']).toBe(1)
      expect(req.user!.customData).toBe(fresh)
      res.json(fresh)
    })
    expect((await ask(app)).body).toMatchObject({ n: 2 })
    database.commands.clear()
    expect((await ask(app, '/me')).body).toMatchObject({ n: 2 })
    expect(database.commands.loads()).toHaveLength(0)
  })

  it('hands out data that handlers cannot change', async () => {
    const app = createApp(guards(), async (req, res) => {
      const fresh = await userData.refreshCustomData(req)
      expect(Object.isFrozen(fresh)).toBe(true)
      ;(fresh['since'] as Date).setTime(1)
      res.json(fresh)
    })
    expect((await ask(app)).body).toMatchObject({ since: '1970-01-01T00:00:00.000Z' })
  })

  it('rejects with 503 if the data cannot be read, and does not change req.user', async () => {
    const app = createApp(guards(), async (req, res, next) => {
      const before = req.user!
      const data = before.customData
      database.proxy.pause()
      const refused = userData.refreshCustomData(req).catch((error: unknown) => error)
      const { answer: failure } = await deadlines.passUntil(refused)
      expect(req.user).toBe(before)
      expect(before.customData).toBe(data)
      next(failure)
    })
    const { status, body, headers } = await ask(app)
    expect([status, body.code, headers['retry-after']]).toEqual([503, 'custom_data_unavailable', '1'])
    database.proxy.resume()
    expect((await ask(app, '/me')).body).toMatchObject({ n: 1 })
  })

  it('keeps members that handlers added to req.user', async () => {
    const app = createApp(guards(), async (req, res) => {
      Object.assign(req.user!, { isTrusted: true })
      await userData.refreshCustomData(req)
      res.json({ isTrusted: (req.user as { isTrusted?: boolean }).isTrusted })
    })
    expect((await ask(app)).body).toEqual({ isTrusted: true })
  })
})

describe('refreshCustomData()', () => {
  it('does not change id and claims', async () => {
    const app = createApp([userData.authenticate()], async (req, res) => {
      const before = req.user!
      await userData.refreshCustomData(req)
      expect(req.user).not.toBe(before)
      expect({ ...req.user, customData: null }).toEqual({ ...before, customData: null })
      res.end()
    })
    expect((await ask(app)).status).toBe(200)
  })

  it('rejects with a challenge if the token was revoked meanwhile', async () => {
    token = `Bearer ${(await userData.issueTokens('alice')).access_token}`
    const app = createApp([userData.authenticate()], async (req, _res, next) => {
      await userData.revoke('alice')
      await userData.refreshCustomData(req).then(() => next(), next)
    })
    const answer = await ask(app)
    expect(answer.status).toBe(401)
    expect(expectChallenge(answer)['error']).toBe('invalid_token')
  })

  it.each<[what: string, guards: () => RequestHandler[], says: string]>([
    ['there is no user', () => [userData.authenticate({ optional: true })], 'no req.user on this request'],
    [
      'the user comes from another strategy',
      () => [byOthers(() => ({ id: 'alice' }))],
      'this instance did not make the req.user',
    ],
    [
      'the user is not the user of the token',
      () => [userData.authenticate(), byOthers(() => ({ id: 'bob', customData: {}, claims: {} }))],
      'this instance did not make the req.user',
    ],
    [
      'the user was replaced after attach()',
      () => [byOthers(() => ({ id: 'bob' })), userData.attach(), byOthers(() => ({ id: 'alice' }))],
      'this instance did not make the req.user',
    ],
  ])('rejects with a TypeError if %s', async (_what, guards, says) => {
    const failures: unknown[] = []
    const app = createApp(guards(), async (req, res) => {
      failures.push(await userData.refreshCustomData(req).catch((error: unknown) => error))
      res.end()
    })
    const withToken = says.startsWith('no') ? request(app).get('/') : ask(app)
    expect((await withToken).status).toBe(200)
    expect(failures).toEqual([expect.any(TypeError)])
    expect((failures[0] as Error).message).toContain(says)
  })
})
