import express from 'express'
import type { Express } from 'express'
import { OptionError } from 'express-custom-user-data'
import type { LoginOptions, RefreshCookieOptions } from 'express-custom-user-data'
import request from 'supertest'
import type { Response } from 'supertest'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const DAY = 86_400

const database = useDatabase()

interface Setting {
  cookie?: RefreshCookieOptions
  login?: LoginOptions<Record<string, unknown>>
  options?: object
}

function start({ cookie = {}, login, options }: Setting = {}) {
  const clock = createManualClock()
  const userData = createTestUserData(database, {
    refreshTokenTransport: { cookie },
    clock,
    ...options,
  })
  const app = express()
    .post(
      '/login',
      userData.login<Record<string, unknown>>(({ user }) => ({ id: String(user) }), login),
    )
    .post('/refresh', userData.refresh())
  return { app, clock, userData }
}

const logIn = (app: Express, more: object = {}) =>
  request(app)
    .post('/login')
    .send({ user: 'alice', ...more })

const refresh = (app: Express, earlier: Response) =>
  request(app).post('/refresh').set('Cookie', setCookieOf(earlier).split(';')[0]!)

function setCookieOf(answer: Response): string {
  expect(answer.status).toBe(200)
  const [only = '', second] = answer.headers['set-cookie'] as unknown as string[]
  expect(second).toBeUndefined()
  return only
}

/** The seconds that the browser keeps the cookie of an answer; `undefined`: until it is closed. */
function maxAgeOf(answer: Response): number | undefined {
  const cookie = setCookieOf(answer)
  const [, seconds] = /; Max-Age=(\d+);/.exec(cookie) ?? []
  expect(cookie.includes('Expires=')).toBe(seconds !== undefined)
  return seconds === undefined ? undefined : Number(seconds)
}

describe('the cookie lives as long as its session', () => {
  it('so no refresh moves its end', async () => {
    const { app, clock } = start()
    const login = await logIn(app)
    expect(maxAgeOf(login)).toBe(60 * DAY)
    clock.advance(10 * DAY * 1000)
    const refreshed = await refresh(app, login)
    expect(maxAgeOf(refreshed)).toBe(50 * DAY)
    clock.advance(49 * DAY * 1000)
    expect(maxAgeOf(await refresh(app, refreshed))).toBe(DAY)
  })

  it('and no longer than the time without use, up to the end of the session', async () => {
    const { app, clock } = start({
      options: { refreshTokenTtlSeconds: 10 * DAY, refreshTokenIdleSeconds: 7 * DAY },
    })
    const login = await logIn(app)
    expect(maxAgeOf(login)).toBe(7 * DAY)
    clock.advance(2 * DAY * 1000)
    const refreshed = await refresh(app, login)
    expect(maxAgeOf(refreshed)).toBe(7 * DAY)
    clock.advance(4 * DAY * 1000)
    expect(maxAgeOf(await refresh(app, refreshed))).toBe(4 * DAY)
  })

  it.each([{ rotateRefreshTokens: false }, { rotateRefreshTokens: true }])(
    'also if a refresh gives the same token again: %j',
    async options => {
      const { app, clock } = start({ options })
      const login = await logIn(app)
      clock.advance(DAY * 1000)
      const refreshed = await refresh(app, login)
      clock.advance(5_000)
      const again = await refresh(app, login)
      expect(setCookieOf(again).split(';')[0]).toBe(setCookieOf(refreshed).split(';')[0])
      expect(maxAgeOf(again)).toBe(59 * DAY - 5)
    },
  )
})

describe('persistent: false makes it a cookie of the browser session, also after refreshes', () => {
  it('for all logins of the instance', async () => {
    const { app } = start({ cookie: { persistent: false } })
    const login = await logIn(app)
    expect(maxAgeOf(login)).toBeUndefined()
    const refreshed = await refresh(app, login)
    expect(maxAgeOf(refreshed)).toBeUndefined()
    expect(maxAgeOf(await refresh(app, login))).toBeUndefined()
    expect(maxAgeOf(await refresh(app, refreshed))).toBeUndefined()
  })

  it.each([true, false])('for one route of logins, whatever the instance says: %j', async persistent => {
    const { app } = start({ cookie: { persistent: !persistent }, login: { persistent } })
    const login = await logIn(app)
    expect(maxAgeOf(login) !== undefined).toBe(persistent)
    expect(maxAgeOf(await refresh(app, login)) !== undefined).toBe(persistent)
  })

  it('for one login, by a field of its form, and each session remembers it', async () => {
    const { app } = start({ login: { persistent: ({ remember }) => remember === 'on' } })
    const remembered = await logIn(app, { remember: 'on' })
    const forgotten = await logIn(app)
    expect(maxAgeOf(remembered)).toBe(60 * DAY)
    expect(maxAgeOf(forgotten)).toBeUndefined()
    expect(maxAgeOf(await refresh(app, remembered))).toBe(60 * DAY)
    expect(maxAgeOf(await refresh(app, forgotten))).toBeUndefined()
  })

  it('for a session of issueTokens(), whose cookie the team sets first', async () => {
    const { app, userData } = start()
    const name = setCookieOf(await logIn(app)).split('=')[0]!
    const { refresh_token: token } = await userData.issueTokens('alice', { persistent: false })
    expect(maxAgeOf(await request(app).post('/refresh').set('Cookie', `${name}=${token}`))).toBeUndefined()
  })

  it('but a function that returns no boolean is an error of the team, because "false" would count as true', async () => {
    const { app } = start({ login: { persistent: () => 'false' as never } })
    expect(await logIn(app)).toMatchObject({ status: 500, body: { error: 'server_error' } })
  })
})

it.each([
  () => start({ cookie: { persistent: 'no' as never } }),
  () => start({ login: { persistent: 'no' as never } }),
])('persistent must be true, false, or a function of the credentials at a login', create => {
  expect(create).toThrow(OptionError)
  expect(create).toThrow(/option "(?:.*\.)?persistent": write true/)
})
