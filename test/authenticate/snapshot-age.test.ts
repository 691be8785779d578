import express from 'express'
import type { RequestHandler } from 'express'
import type { Collection } from 'mongodb'
import { Passport } from 'passport'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let documents: Collection
let clock: ManualClock
let userData: ReturnType<typeof createTestUserData>

beforeEach(async () => {
  documents = database.db.collection('custom_user_data')
  await documents.deleteMany()
  await documents.insertOne({ userId: 'alice', n: 1 })
  clock = createManualClock()
  userData = createTestUserData(database, { clock })
  await userData.ready()
})

const answerAge: RequestHandler = (req, res) => {
  res.json({ ageMs: userData.snapshotAgeMs(req) ?? 'unknown' })
}

const attached: RequestHandler = (req, _res, next) => {
  req.user = { id: String(req.headers['x-user'] ?? 'alice') } as never
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
  { way: 'attach()', guards: () => [attached, userData.attach()] },
]

describe.each(ways)('the age of a snapshot behind $way', ({ guards }) => {
  const ask = async (app: express.Express, user = 'alice') =>
    (
      await request(app)
        .get('/age')
        .set('Authorization', bearerOf(user, clock.now()))
        .set('X-User', user)
        .expect(200)
    ).body as { ageMs: unknown }

  const createApp = (...handlers: RequestHandler[]) =>
    express().get('/age', ...guards(), ...handlers, answerAge)

  it('is counted from its load', async () => {
    const app = createApp()
    const token = bearerOf('alice', clock.now())
    const age = async () => (await request(app).get('/age').set('Authorization', token)).body as unknown
    expect(await age()).toEqual({ ageMs: 0 })
    clock.advance(90_000)
    expect(await age()).toEqual({ ageMs: 90_000 })
  })

  it('begins again with a load that a handler asked for', async () => {
    const refreshed: RequestHandler = (req, _res, next) => {
      userData.refreshCustomData(req).then(() => {
        next()
      }, next)
    }
    const token = bearerOf('alice', clock.now())
    await request(createApp()).get('/age').set('Authorization', token).expect(200)
    clock.advance(5_000)
    const { body } = await request(createApp(refreshed)).get('/age').set('Authorization', token)
    expect(body).toEqual({ ageMs: 0 })
  })

  it('is known for a user without a document', async () => {
    expect(await ask(createApp(), 'nobody')).toEqual({ ageMs: 0 })
  })

  it('is known after the user was invalidated, because the request keeps its data', async () => {
    const invalidated: RequestHandler = (_req, _res, next) => {
      userData.invalidate('alice')
      next()
    }
    expect(await ask(createApp(invalidated))).toEqual({ ageMs: 0 })
  })
})

describe('snapshotAgeMs()', () => {
  it('takes the longer of the times on both clocks, because a machine may have slept', async () => {
    const app = express().get('/age', userData.authenticate(), answerAge)
    const token = bearerOf('alice', clock.now())
    await request(app).get('/age').set('Authorization', token).expect(200)
    clock.sleep(60_000)
    expect((await request(app).get('/age').set('Authorization', token)).body).toEqual({ ageMs: 60_000 })
  })

  it('is undefined if a handler has put other data into req.user', async () => {
    const replaced: RequestHandler = (req, _res, next) => {
      req.user = { ...req.user, customData: {} } as never
      next()
    }
    const app = express().get('/age', userData.authenticate(), replaced, answerAge)
    const { body } = await request(app).get('/age').set('Authorization', bearerOf('alice', clock.now()))
    expect(body).toEqual({ ageMs: 'unknown' })
  })

  it('is undefined once another request has loaded a changed document', async () => {
    const token = bearerOf('alice', clock.now())
    const loadChanged = async () => {
      await documents.updateOne({ userId: 'alice' }, { $set: { n: 2 } })
      await userData.verifyToken(token.slice('Bearer '.length), { maxAgeMs: 0 })
    }
    const reloaded: RequestHandler = (_req, _res, next) => {
      loadChanged().then(() => {
        next()
      }, next)
    }
    const app = express().get('/age', userData.authenticate(), reloaded, answerAge)
    expect((await request(app).get('/age').set('Authorization', token)).body).toEqual({ ageMs: 'unknown' })
  })

  it('counts no request and keeps no snapshot longer in the cache', async () => {
    const app = express().get('/age', userData.authenticate(), answerAge)
    await request(app).get('/age').set('Authorization', bearerOf('alice', clock.now())).expect(200)
    const { hits, misses, stale } = userData.stats()
    expect({ hits, misses, stale }).toEqual({ hits: 0, misses: 1, stale: 0 })
  })

  it('refuses a request without a user, and says which guards set one', () => {
    expect(() => userData.snapshotAgeMs({ headers: {} } as never)).toThrow(
      /no req\.user on this request: mount authenticate\(\) or attach\(\) before/,
    )
  })

  it('refuses a user that another instance has authenticated', async () => {
    const other = createTestUserData(database, { clock })
    const failed: string[] = []
    const app = express().get('/age', other.authenticate(), (req, res) => {
      try {
        userData.snapshotAgeMs(req)
      } catch (error) {
        failed.push(String(error))
      }
      res.end()
    })
    await request(app).get('/age').set('Authorization', bearerOf('alice', clock.now())).expect(200)
    expect(failed).toEqual([expect.stringMatching(/did not make the req\.user of this request/)])
  })
})
