import express from 'express'
import type { Express } from 'express'
import type { TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import {
  createSessionApp,
  exchange,
  expectInvalidGrant,
  getMe,
  logIn,
  recordEvents,
  refresh,
  sidOf,
} from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let clock: ManualClock
let users = 0
let user: string
beforeEach(() => {
  clock = createManualClock()
  user = `user-${users++}`
})

const start = (options: object = {}) => createTestUserData(database, { clock, ...options })
const sessions = () => database.db.collection<{ _id: string }>('custom_user_data_sessions')
const alive = () => sessions().countDocuments({ userId: user, revokedAt: null })

/** The ids of the user's sessions that have not ended. */
async function aliveIds(): Promise<string[]> {
  const found = await sessions().find({ userId: user, revokedAt: null }).toArray()
  return found.map(({ _id }) => _id).sort()
}

/** Logs the user in so many times, each a second after the one before. */
async function logInTimes(app: Express, times: number): Promise<TokenAnswer<object>[]> {
  const logins = []
  for (let i = 0; i < times; i++) {
    clock.advance(1_000)
    logins.push(await logIn(app, user))
  }
  return logins
}

describe('maxSessionsPerUser', () => {
  it('ends the least recently used session with its access tokens, and says so', async () => {
    const userData = start({ maxSessionsPerUser: 3 })
    const app = createSessionApp(userData)
    const events = recordEvents(userData)
    const [first, second, third] = await logInTimes(app, 3)
    // The first session is the oldest, but the second was not used for longer.
    clock.advance(1_000)
    const used = await exchange(app, first!.refresh_token)
    const [fourth] = await logInTimes(app, 1)
    const sid = sidOf(second!.refresh_token)
    await expect.poll(() => events.filter(({ name }) => name === 'session_limit')).toHaveLength(1)
    expect(events.at(-1)).toEqual({ name: 'session_limit', userId: user, sid })
    expectInvalidGrant(await refresh(app, second!.refresh_token))
    expect((await getMe(app, second!.access_token)).status).toBe(401)
    for (const token of [used, third!.refresh_token, fourth!.refresh_token]) await exchange(app, token)
    expect((await getMe(app, first!.access_token)).status).toBe(200)
    expect(await alive()).toBe(3)
  })

  it('is 100 unless the option says otherwise, and false sets no limit', async () => {
    const stored = Array.from({ length: 150 }, (_, n) => ({
      _id: `old-${n}-${user}`,
      expressCustomUserData: 'session',
      issuer: 'https://issuer.example.com',
      userId: user,
      lastUsedAt: new Date(clock.now() - 1_000 - n),
      idleExpiresAt: new Date(clock.now() + 3_600_000),
      expiresAt: new Date(clock.now() + 3_600_000),
      revokedAt: null,
    }))
    await sessions().insertMany(stored)
    const unlimited = start({ maxSessionsPerUser: false })
    await logIn(createSessionApp(unlimited), user)
    await unlimited.close()
    expect(await alive()).toBe(151)
    const limited = start()
    await logIn(createSessionApp(limited), user)
    await limited.close()
    expect(await alive()).toBe(100)
    expect(await sessions().distinct('_id', { userId: user, revokedAt: { $ne: null } })).toContain(
      `old-149-${user}`,
    )
  })

  it('can be turned off or set for one route or one call', async () => {
    const userData = start({ maxSessionsPerUser: 1 })
    const verify = (): { id: string } => ({ id: user })
    const app = express()
      .post('/robots', userData.login(verify, { maxSessionsPerUser: false }))
      .post('/two', userData.login(verify, { maxSessionsPerUser: 2 }))
    for (let i = 0; i < 3; i++) await request(app).post('/robots').send({}).expect(200)
    await userData.issueTokens(user, { maxSessionsPerUser: false })
    expect(await alive()).toBe(4)
    await request(app).post('/two').send({}).expect(200)
    await expect.poll(alive).toBe(2)
    await userData.issueTokens(user)
    await expect.poll(alive).toBe(1)
  })

  it('holds against logins that come at the same time', async () => {
    const userData = start({ maxSessionsPerUser: 2 })
    const app = createSessionApp(userData)
    // A login whose session another login has ended before its answer is refused.
    await Promise.allSettled(Array.from({ length: 20 }, () => logIn(app, user)))
    await userData.close()
    expect(await alive()).toBe(2)
  })

  it('never ends the session that has just begun, although the clock of its process is behind', async () => {
    const late = createManualClock(clock.now() - 60_000)
    const behind = createTestUserData(database, { clock: late, maxSessionsPerUser: 2 })
    const logins = await logInTimes(createSessionApp(start()), 3)
    const { refresh_token: newest } = await logIn(createSessionApp(behind), user)
    await behind.close()
    expect(await aliveIds()).toEqual([sidOf(logins[2]!.refresh_token), sidOf(newest)].sort())
  })

  it('lets a login end only sessions that began before it, so that two logins cannot end each other', async () => {
    const ahead = createTestUserData(database, {
      clock: createManualClock(clock.now() + 60_000),
      maxSessionsPerUser: false,
    })
    const userData = start({ maxSessionsPerUser: 1 })
    const { refresh_token: first } = await logIn(createSessionApp(ahead), user)
    // The session of a login at the same time, whose answer is still under way.
    const inAnHour = new Date(Date.now() + 3_600_000)
    await sessions().updateOne({ _id: sidOf(first) }, { $set: { storedAt: inAnHour } })
    const { refresh_token: second } = await logIn(createSessionApp(userData), user)
    await userData.close()
    expect(await aliveIds()).toEqual([sidOf(first), sidOf(second)].sort())
  })

  it.each([0, -1, 1.5, 10_001, '5', true, null])('is refused at creation if it is %j', value => {
    expect(() => start({ maxSessionsPerUser: value as never })).toThrow(
      /maxSessionsPerUser.*write a whole number from 1 to 10000, or false/,
    )
  })
})
