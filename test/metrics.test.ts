import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import express from 'express'
import passport from 'passport'
import request from 'supertest'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { ChannelMessages, CustomUserData } from 'express-custom-user-data'
import { EVENT_CHANNELS } from '../lib/channels.js'
import { createManualClock } from './support/clock.js'
import type { ManualClock } from './support/clock.js'
import { useDatabase } from './support/database.js'
import { holdDeadlines } from './support/deadlines.js'
import { bearerOf, createGuardedApp } from './support/guarded-app.js'
import { createTestUserData, forgeToken, validClaims } from './support/user-data.js'

type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>

const context = new AsyncLocalStorage<string>()

const CHANNELS = [
  'hit',
  'miss',
  'claim_snapshot',
  'load',
  'shared_load',
  'stale',
  'invalidated',
  'evicted',
  'refused',
] as const satisfies (keyof ChannelMessages)[]

const NOTHING = {
  hits: 0,
  misses: 0,
  claimSnapshots: 0,
  loads: 0,
  failedLoads: 0,
  loadMs: 0,
  sharedLoads: 0,
  stale: 0,
  invalidated: 0,
  evicted: 0,
  refused: {},
  refusedTokens: {},
  operations: {
    login: {},
    authenticateLogin: {},
    issueTokens: {},
    reissue: {},
    refresh: {},
    exchangeRefreshToken: {},
    logout: {},
    logoutAll: {},
    endSession: {},
  },
  failedRequests: {},
  throttled: {},
  events: Object.fromEntries(Object.keys(EVENT_CHANNELS).map(name => [name, 0])),
  cached: 0,
  cachedBytes: 0,
  watches: 0,
  changeStreams: { custom_data: 'off', sessions: 'off' },
}

const deadlines = holdDeadlines()
const database = useDatabase()
let clock: ManualClock
beforeAll(async () => {
  await database.db.collection('custom_user_data').insertOne({ userId: 'alice', secretOfAlice: 'abc' })
})
beforeEach(() => {
  clock = createManualClock()
})

function start(options: Parameters<typeof createTestUserData>[1] = {}): TestUserData {
  return createTestUserData(database, { clock, ...options })
}

function tokenOf(userId: string): string {
  return forgeToken({ claims: { ...validClaims(userId, clock.now()), exp: clock.now() / 1000 + 86_400 } })
}

/** Records the messages of all channels, with their names, until the test ends. */
function listen(): { names: string[]; messages: unknown[] } {
  const heard: { names: string[]; messages: unknown[] } = { names: [], messages: [] }
  for (const name of CHANNELS) {
    const onMessage = (message: unknown): void => {
      heard.names.push(name)
      heard.messages.push(message)
    }
    subscribe(`express-custom-user-data:${name}`, onMessage)
    onTestFinished(() => void unsubscribe(`express-custom-user-data:${name}`, onMessage))
  }
  return heard
}

describe('stats()', () => {
  it('begins with zeros', () => {
    expect(start().stats()).toEqual(NOTHING)
  })

  it('counts the first request as a miss and a load, later requests as hits, and the cached snapshots', async () => {
    const userData = start()
    const token = tokenOf('alice')
    for (let n = 0; n < 3; n++) await userData.verifyToken(token)
    const stats = userData.stats()
    expect(stats).toEqual({
      ...NOTHING,
      misses: 1,
      loads: 1,
      hits: 2,
      cached: 1,
      cachedBytes: stats.cachedBytes,
    })
    expect(stats.cachedBytes).toBeGreaterThan(512)
  })

  it('counts each request that shares a load as a miss', async () => {
    const userData = start()
    const token = tokenOf('alice')
    await Promise.all([1, 2, 3].map(() => userData.verifyToken(token)))
    expect(userData.stats()).toMatchObject({ misses: 3, loads: 1, sharedLoads: 2, hits: 0 })
  })

  it('counts a hit once if the session of the token has to be checked', async () => {
    const userData = start({ sessionCheckIntervalMs: 0 })
    const { access_token } = await userData.issueTokens('alice')
    await userData.verifyToken(access_token)
    expect(userData.stats()).toMatchObject({ hits: 1, misses: 0, loads: 1 })
  })

  it('counts snapshots that are too old as stale, and their loads', async () => {
    const userData = start()
    const token = tokenOf('alice')
    await userData.verifyToken(token)
    clock.advance(30 * 60_000)
    await userData.verifyToken(token)
    expect(userData.stats()).toMatchObject({ stale: 1, misses: 2, loads: 2, hits: 0, cached: 1 })
  })

  it('counts invalidations, and the snapshots that they made stale at the next request', async () => {
    const userData = start()
    const tokens = [tokenOf('alice'), tokenOf('alice')]
    for (const token of tokens) await userData.verifyToken(token)
    userData.invalidate('alice')
    expect(userData.stats()).toMatchObject({ invalidated: 1, stale: 0 })
    for (const token of tokens) await userData.verifyToken(token)
    expect(userData.stats()).toMatchObject({ invalidated: 1, stale: 2, loads: 4 })
  })

  it('counts snapshots that were dropped because the cache was full', async () => {
    const userData = start({ maxSnapshots: 1 })
    for (let n = 0; n < 3; n++) await userData.verifyToken(tokenOf('alice'))
    expect(userData.stats()).toMatchObject({ evicted: 2, stale: 0, cached: 1 })
  })

  it('counts loads that failed among the loads, and their time', async () => {
    const userData = start({ maxDocumentBytes: 1 })
    await expect(userData.verifyToken(tokenOf('alice'))).rejects.toThrow()
    expect(userData.stats()).toMatchObject({
      loads: 1,
      failedLoads: 1,
      refused: { custom_data_too_large: 1 },
    })
  })

  it('counts a load that came too late once, as failed, in the context of its own request', async () => {
    const waiting: (() => void)[] = []
    const schema = z.looseObject({}).refine(async () => {
      if (waits) await new Promise<void>(resolve => waiting.push(resolve))
      return true
    })
    let waits = false
    const userData = start({ schema, loadTimeoutMs: 1_000 })
    await userData.verifyToken(tokenOf('alice'))
    waits = true
    const contexts: unknown[] = []
    userData.events.on('load_failed', () => contexts.push(context.getStore()))
    const late = ['one', 'other'].map(name => context.run(name, () => userData.verifyToken(tokenOf('alice'))))
    const { answer: outcomes } = await deadlines.passUntil(Promise.allSettled(late))
    for (const go of waiting) go()
    await nextTurn()
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(userData.stats()).toMatchObject({ loads: 3, failedLoads: 2 })
    expect(contexts).toEqual(['one', 'other'])
  })

  it('counts loads by forUser()', async () => {
    const userData = start()
    await userData.forUser('alice').read()
    expect(userData.stats()).toMatchObject({ loads: 1, misses: 0, cached: 0 })
  })

  it('counts the milliseconds that all loads take together', async () => {
    const ticking = { ...clock, monotonic: () => (clock.advance(1), clock.monotonic()) }
    const userData = start({ clock: ticking })
    await userData.verifyToken(tokenOf('alice'))
    expect(userData.stats().loadMs).toBeGreaterThanOrEqual(1)
    expect(userData.stats().loadMs).toBeLessThan(20)
  })

  it('counts misses that were served from the data in the token', async () => {
    const { access_token } = await start({ userDataInToken: 'relaxed' }).issueTokens('alice')
    const other = start({ userDataInToken: 'relaxed' })
    await other.verifyToken(access_token)
    expect(other.stats()).toMatchObject({ misses: 1, claimSnapshots: 1, loads: 0 })
  })

  it('counts refusals by their code, wherever they come from', async () => {
    const userData = start()
    const app = createGuardedApp(userData)
    await request(app).get('/me').expect(401)
    await request(app).get('/me').set('Authorization', 'Bearer abc').expect(401)
    await request(app).get('/me').set('Authorization', 'Basic').expect(401)
    await expect(userData.verifyToken('abc')).rejects.toThrow()
    const behindPassport = express().get(
      '/',
      new passport.Passport().use(userData.strategy()).authenticate('custom-user-data', { session: false }),
    )
    await request(behindPassport).get('/').expect(401)
    await request(express().get('/', userData.attach()).use(userData.errorHandler())).get('/').expect(500)
    expect(userData.stats().refused).toEqual({ missing_token: 3, invalid_token: 2, attach_misconfigured: 1 })
  })

  it('counts each instance separately, and returns numbers that do not change later', async () => {
    const [one, other] = [start(), start()]
    const before = one.stats()
    await one.verifyToken(tokenOf('alice'))
    expect(before).toEqual(NOTHING)
    expect(other.stats()).toEqual(NOTHING)
  })

  it('counts the hits of attach()', async () => {
    const userData = start()
    const app = express()
      .use((req, _res, next) => {
        req.user = { id: 'alice' } as Express.User
        next()
      })
      .get('/', userData.attach({ boundTo: () => 'session' }), (_req, res) => res.end())
    await request(app).get('/').expect(200)
    await request(app).get('/').expect(200)
    expect(userData.stats()).toMatchObject({ hits: 1, misses: 1 })
  })
})

describe('the channels of node:diagnostics_channel', () => {
  it('publish each case when it happens', async () => {
    const userData = start({ maxSnapshots: 1 })
    const heard = listen()
    const token = tokenOf('alice')
    await userData.verifyToken(token)
    await userData.verifyToken(token)
    userData.invalidate('alice')
    await Promise.all([userData.verifyToken(token), userData.verifyToken(token)])
    await userData.verifyToken(tokenOf('bob'))
    await userData.verifyToken('abc').catch(() => undefined)
    expect(heard.names).toEqual([
      ...['miss', 'load', 'hit', 'invalidated'],
      ...['stale', 'miss', 'miss', 'load', 'shared_load'],
      ...['miss', 'load', 'evicted', 'refused'],
    ])
  })

  it('tell of a token that authenticate({ optional: true }) ignores in a cookie, and stats() does not count a refusal', async () => {
    const userData = start({ tokenPlaces: { cookie: 'at' } })
    const heard = listen()
    const app = express().get('/', userData.authenticate({ optional: true }), (_req, res) => res.end())
    const forged = `${tokenOf('alice').slice(0, -8)}AAAAAAAA`
    await request(app).get('/').set('Cookie', `at=${forged}`).expect(200)
    const message = {
      collection: 'custom_user_data',
      code: 'invalid_token',
      userId: undefined,
      reason: 'forged',
    }
    expect(heard).toEqual({ names: ['refused'], messages: [message] })
    expect(userData.stats()).toMatchObject({ refused: {}, refusedTokens: { forged: 1 } })
  })

  it('contain the user and the collection, the time of a load and the reason of a refusal', async () => {
    const heard = listen()
    const ticking = { ...clock, monotonic: () => (clock.advance(1), clock.monotonic()) }
    const userData = start({ clock: ticking, maxDocumentBytes: 1 })
    await userData.verifyToken(tokenOf('alice')).catch(() => undefined)
    const collection = 'custom_user_data'
    expect(heard.messages).toEqual([
      { collection, userId: 'alice' },
      {
        collection,
        userId: 'alice',
        startTime: expect.any(Number),
        ms: expect.any(Number),
        code: 'custom_data_too_large',
      },
      { collection, code: 'custom_data_too_large', userId: 'alice', reason: undefined },
    ])
  })

  it('never carry a token or data of the document', async () => {
    const heard = listen()
    const userData = start({ userDataInToken: 'relaxed' })
    const { access_token, refresh_token } = await userData.issueTokens('alice')
    for (const token of [access_token, access_token, `${access_token}x`]) {
      await userData.verifyToken(token).catch(() => undefined)
    }
    const said = JSON.stringify(heard.messages)
    expect(heard.names).toEqual(expect.arrayContaining(['load', 'hit', 'refused']))
    for (const secret of [access_token, access_token.split('.')[2]!, refresh_token, 'abc']) {
      expect(said).not.toContain(secret)
    }
  })

  it('protect a request from a subscriber that throws', async () => {
    const thrown: unknown[] = []
    const onThrown = (error: unknown): void => void thrown.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', onThrown)
    const broken = (): void => {
      throw new Error('broken')
    }
    subscribe('express-custom-user-data:miss', broken)
    onTestFinished(() => {
      unsubscribe('express-custom-user-data:miss', broken)
      process.removeListener('uncaughtException', onThrown)
      for (const listener of others) process.on('uncaughtException', listener)
    })
    const app = createGuardedApp(start())
    await request(app).get('/me').set('Authorization', bearerOf('alice', clock.now())).expect(200)
    expect(thrown).toEqual([new Error('broken')])
  })
})
