import type { SessionEndedEvent } from 'express-custom-user-data'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { openDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { letExchangesAge } from '../support/exchange-times.js'
import { startFollower } from '../support/following.js'
import { createSessionApp, exchange, logIn, logOut, refresh, sidOf } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

type UserData = ReturnType<typeof createTestUserData>

const database = useDatabase()
let reading: TestDatabase
let user: string
let users = 0
beforeAll(async () => {
  reading = await openDatabase()
})
afterAll(() => reading.client.close())
beforeEach(() => {
  user = `user-${users++}`
})

/** Records the ends of sessions that an instance tells from now on. */
function recordEnds({ events }: UserData): SessionEndedEvent[] {
  const ends: SessionEndedEvent[] = []
  events.on('session_ended', end => ends.push(end))
  return ends
}

function start(options: object = {}) {
  const userData = createTestUserData(database, options)
  return { userData, app: createSessionApp(userData), ends: recordEnds(userData) }
}

/** An instance on the same database, as another process has it. */
const startOther = (options: object = {}) =>
  startFollower(reading.client.db(database.db.databaseName), options)

describe('session_ended tells the end of a session in this process, once:', () => {
  type Instance = ReturnType<typeof start>
  it.each<[string, (instance: Instance, refreshToken: string) => Promise<unknown>]>([
    ['by logout()', ({ app }, token) => logOut(app, token)],
    ['by endSession()', ({ userData }, token) => userData.endSession(token)],
    ['by revoke({ sid })', ({ userData }, token) => userData.revoke({ sid: sidOf(token) })],
    [
      'by a login that replaces it',
      ({ app }, refresh_token) => request(app).post('/login').send({ user, refresh_token }),
    ],
    [
      'by the reuse of its refresh token',
      async ({ app }, token) => {
        await exchange(app, await exchange(app, token))
        await letExchangesAge(database.db, 31_000, token)
        return refresh(app, token)
      },
    ],
  ])('%s', async (_way, end) => {
    const instance = start()
    const { refresh_token } = await logIn(instance.app, user)
    await end(instance, refresh_token)
    await logOut(instance.app, refresh_token)
    expect(instance.ends).toEqual([{ sid: sidOf(refresh_token), userId: user }])
  })

  it('by a login that is one too many', async () => {
    const { app, ends } = start({ maxSessionsPerUser: 1 })
    const { refresh_token } = await logIn(app, user)
    await logIn(app, user)
    await expect.poll(() => ends).toEqual([{ sid: sidOf(refresh_token), userId: user }])
  })
})

describe('session_ended tells the end of all sessions of a user without a sid', () => {
  it.each(['revoke', 'disable', 'deleteSessions', 'eraseUser'] as const)('by %s(userId)', async method => {
    const { userData, app, ends } = start()
    const { refresh_token } = await logIn(app, user)
    await userData[method](user)
    await userData.close()
    // Then the documents of the sessions are ended.
    expect(ends).toEqual([
      { sid: undefined, userId: user },
      { sid: sidOf(refresh_token), userId: user },
    ])
  })
})

describe('session_ended', () => {
  it('comes when the access tokens are refused', async () => {
    const { userData, app } = start()
    const { access_token, refresh_token } = await logIn(app, user)
    const refused = new Promise(resolve => {
      userData.events.on('session_ended', () => {
        userData.verifyToken(access_token).catch(resolve)
      })
    })
    await userData.endSession(refresh_token)
    expect(await refused).toMatchObject({ code: 'invalid_token' })
  })

  it('comes when a change stream brings the news, with the user', async () => {
    const { userData, app } = start()
    const there = await startOther()
    const ends = recordEnds(there.userData)
    const first = await logIn(app, user)
    const second = await logIn(app, user)
    await logOut(app, first.refresh_token)
    await expect.poll(() => ends).toEqual([{ sid: sidOf(first.refresh_token), userId: user }])
    await userData.revoke(user)
    await expect
      .poll(() => ends.slice(1))
      .toEqual([
        { sid: undefined, userId: user },
        { sid: sidOf(second.refresh_token), userId: user },
      ])
    await there.userData.close()
  })

  it('comes for the process itself once, although its own stream brings the news again', async () => {
    const here = await startOther()
    const there = await startOther()
    const [ends, elsewhere] = [recordEnds(here.userData), recordEnds(there.userData)]
    const { refresh_token } = await here.userData.issueTokens(user)
    await here.userData.endSession(refresh_token)
    await here.userData.revoke(user)
    await expect.poll(() => elsewhere).toHaveLength(2)
    // A change that follows: when its event has come, the earlier ones have come too.
    const last = await here.userData.issueTokens(user)
    await there.userData.endSession(last.refresh_token)
    await expect.poll(() => ends.at(-1)).toEqual({ sid: sidOf(last.refresh_token), userId: user })
    expect(ends).toHaveLength(3)
    await Promise.all([here.userData.close(), there.userData.close()])
  })

  it('comes by a stream for a session whose access tokens have all expired, because its sockets may be open', async () => {
    const clock = createManualClock(Date.now())
    const { app } = start()
    const there = await startOther({ clock })
    const ends = recordEnds(there.userData)
    const { refresh_token } = await logIn(app, user)
    clock.advance(24 * 3_600_000)
    await logOut(app, refresh_token)
    await expect.poll(() => ends).toEqual([{ sid: sidOf(refresh_token), userId: user }])
    await there.userData.close()
  })

  it('comes when a deletion is seen, which tells no user', async () => {
    const { app } = start()
    const there = await startOther()
    const ends = recordEnds(there.userData)
    const sid = sidOf((await logIn(app, user)).refresh_token)
    await database.db.collection<{ _id: string }>('custom_user_data_sessions').deleteOne({ _id: sid })
    await expect.poll(() => ends).toEqual([{ sid, userId: undefined }])
    await there.userData.close()
  })

  it('comes when a check reads a session that has ended', async () => {
    const { app } = start()
    const { userData, ends } = start({ sessionCheckIntervalMs: 0 })
    const { access_token, refresh_token } = await logIn(app, user)
    await userData.verifyToken(access_token)
    await logOut(app, refresh_token)
    await expect(userData.verifyToken(access_token)).rejects.toMatchObject({ code: 'invalid_token' })
    expect(ends).toEqual([{ sid: sidOf(refresh_token), userId: user }])
  })
})
