import { randomBytes } from 'node:crypto'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import type { Response } from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { holdDeadlines } from '../support/deadlines.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  logIn,
  logOut,
  recordEvents,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { createTestUserData, SECRET } from '../support/user-data.js'

const OTHER_SECRET = 'another secret of sessions, 32 bytes or more'

const deadlines = holdDeadlines()
const database = useDatabase()

/** A token in the right form, with the session id that is given. */
function madeUp(sid = randomBytes(16).toString('base64url')): string {
  return `${sid}.3.${randomBytes(32).toString('base64url')}.${randomBytes(16).toString('base64url')}`
}

/** An app behind a proxy that tells the client's address. */
function start(options: object = {}, at: Parameters<typeof createTestUserData>[0] = database) {
  const clock = createManualClock(4_000_000_000_000)
  const userData = createTestUserData(at, { clock, ...options })
  const app = express().set('trust proxy', true).use(createSessionApp(userData))
  return { app, clock, userData, events: recordEvents(userData) }
}

const from = (address: string) => ({ 'X-Forwarded-For': address })

function expectTooMany(answer: Response, retryAfter: string): void {
  expect(answer).toMatchObject({ status: 429, body: { error: 'too_many_attempts' } })
  expect(answer.headers['retry-after']).toBe(retryAfter)
}

/** The queries of sessions and users. The first use of an instance also looks at its indexes. */
const queries = () =>
  database.commands.named('find', 'findAndModify', 'aggregate', 'update', 'delete').map(({ name }) => name)

describe('a refresh token that is made up', () => {
  let app: Express
  let sid: string
  beforeEach(async () => {
    const started = start()
    app = started.app
    // The checks of the set-up would be counted too.
    await started.userData.ready()
    sid = sidOf((await logIn(app)).refresh_token)
  })

  it('costs one query by the id of the session, also with the sid of a session that is alive', async () => {
    for (const token of [madeUp(), madeUp(sid)]) {
      for (const send of [refresh, logOut]) {
        database.commands.clear()
        const answer = await send(app, token)
        if (send === refresh) expectInvalidGrant(answer)
        else expect(answer.status).toBe(204)
        expect(queries()).toEqual(['aggregate'])
        const [query] = database.commands.named('aggregate')
        expect(query?.command['pipeline']).toMatchObject([{ $match: { _id: { $eq: sidOf(token) } } }, {}])
      }
    }
  })

  it('costs nothing if it has not the form of a token', async () => {
    database.commands.clear()
    expectInvalidGrant(await refresh(app, 'a.b.c'))
    expect(queries()).toEqual([])
  })

  it('costs one query for each cookie', async () => {
    const { app: byCookie, userData } = start({ refreshTokenTransport: { cookie: { name: '__Host-rt' } } })
    // The set-up looks at the collections, too.
    await userData.ready()
    const cookies = [1, 2, 3, 4].map(() => `__Host-rt=${madeUp()}`).join('; ')
    database.commands.clear()
    expectInvalidGrant(await request(byCookie).post('/refresh').set('Cookie', cookies))
    expect(queries()).toEqual(Array(4).fill('aggregate'))
  })
})

describe('an address that sends many of them', () => {
  const loginThrottle = { addressFailures: 3, windowSeconds: 60 }

  it('is answered with 429 without a query, at refresh and logout together, until the window is over', async () => {
    const { app, clock, events } = start({ loginThrottle })
    for (let i = 0; i < 2; i++) expectInvalidGrant(await refresh(app, madeUp()).set(from('203.0.113.7')))
    await logOut(app, madeUp()).set(from('203.0.113.7'))
    clock.advance(10_000)
    database.commands.clear()
    for (const send of [refresh, logOut])
      expectTooMany(await send(app, madeUp()).set(from('203.0.113.7')), '50')
    expect(queries()).toEqual([])
    const throttled = {
      name: 'throttled',
      limit: 'refresh_tokens',
      accounts: [],
      address: '203.0.113.7',
      retryAfterSeconds: 50,
    }
    expect(events.filter(({ name }) => name === 'throttled')).toEqual([throttled, throttled])
    expectInvalidGrant(await refresh(app, madeUp()).set(from('203.0.113.8')))
    clock.advance(50_000)
    expectInvalidGrant(await refresh(app, madeUp()).set(from('203.0.113.7')))
  })

  it('is not let through by parallel requests', async () => {
    const { app } = start({ loginThrottle })
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => refresh(app, madeUp()).set(from('203.0.113.7'))),
    )
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(3)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(9)
  })

  it('does not lock out the others behind it: their tokens work, and old ones are recognised', async () => {
    const { app } = start({ loginThrottle, reuseToleranceSeconds: 0 })
    const first = (await logIn(app)).refresh_token
    for (let i = 0; i < 4; i++) await refresh(app, madeUp()).set(from('127.0.0.1'))
    expectTooMany(await refresh(app, madeUp()), '60')
    const second = await exchange(app, first)
    await exchange(app, second)
    expectInvalidGrant(await refresh(app, first))
    expect((await logOut(app, second)).status).toBe(204)
  })

  it('is not limited if the team limits requests by other means', async () => {
    const { app } = start({ loginThrottle: false })
    for (let i = 0; i < 5; i++) expectInvalidGrant(await refresh(app, madeUp()))
  })
})

describe('a token whose seal is of a secret that is no longer given', () => {
  it('still works while it is stored, and is no failure of its address', async () => {
    const loginThrottle = { addressFailures: 1 }
    const { app: before } = start({ sessionSecrets: [OTHER_SECRET] })
    const tokens = [await logIn(before), await logIn(before), await logIn(before)]
    const { app } = start({ sessionSecrets: [SECRET], loginThrottle })
    for (const { refresh_token: token } of tokens) {
      const successor = await exchange(app, token)
      // A client that has lost the answer gets the same successor.
      expect(await exchange(app, token)).toBe(successor)
    }
    expectInvalidGrant(await refresh(app, madeUp()))
    expectTooMany(await refresh(app, madeUp()), '900')
  })
})

it('a token that cannot be looked up, because MongoDB is away, is no failure of its address', async () => {
  const proxied = await openProxiedDatabase(database)
  const { app } = start({ loginThrottle: { addressFailures: 1 }, sessionTimeoutMs: 300 }, proxied)
  await refresh(app, 'warm')
  proxied.proxy.pause()
  for (let i = 0; i < 2; i++) {
    const { answer } = await deadlines.passUntil(refresh(app, madeUp()))
    expect(answer.status).toBe(503)
  }
  await proxied.proxy.restore()
  expectInvalidGrant(await refresh(app, madeUp()))
})
