import express from 'express'
import type { Express, Request } from 'express'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, WarningEvent } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()

type UserData = ReturnType<typeof createTestUserData>
type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

function start(options: Options = {}, build?: (userData: UserData) => Express) {
  const userData = createTestUserData(database, { loginThrottle: {}, sessionSecrets: undefined, ...options })
  const warnings: WarningEvent[] = []
  userData.events.on('warning', warning => warnings.push(warning))
  return { app: (build ?? createSessionApp)(userData), warnings, userData }
}

/** An app with a rule behind its guard. */
const withRule = (rule: object) => (userData: UserData) =>
  express()
    .use(userData.authenticate(), userData.allow(rule as never), (_req, res) => void res.json({}))
    .use(userData.errorHandler())

type Send = (app: Express) => request.Test
const REQUESTS: Record<string, [Send, string]> = {
  login: [
    app => request(app).post('/login').send({ user: 'alice', email: 'alice@example.com' }),
    'share its limit of failed logins',
  ],
  refresh: [
    app => request(app).post('/refresh').send({ refresh_token: 'made up' }),
    'share its limit of refresh tokens that are not valid',
  ],
  logout: [
    app => request(app).post('/logout').send({ refresh_token: 'made up' }),
    'share its limit of refresh tokens that are not valid',
  ],
}

describe.each(Object.entries(REQUESTS))('a %s', (_name, [send, consequence]) => {
  it.each(['X-Forwarded-For', 'Forwarded'])(
    'with the header %s warns once without "trust proxy"',
    async header => {
      const { app, warnings } = start()
      for (let i = 0; i < 2; i++) await send(app).set(header, 'for=192.0.2.1')
      expect(warnings).toMatchObject([{ code: 'proxy_header_unused' }])
      expect(warnings[0]!.message).toContain(`came with the header ${header}`)
      expect(warnings[0]!.message).toContain(consequence)
      expect(warnings[0]!.message).toContain('app.set("trust proxy", 1)')
    },
  )

  it('warns of nothing without such a header, or with "trust proxy"', async () => {
    const { app, warnings } = start()
    await send(app)
    app.set('trust proxy', 1)
    await send(app).set('X-Forwarded-For', '192.0.2.1')
    expect(warnings).toEqual([])
  })

  it('warns of nothing if nothing is limited by the address', async () => {
    const { app, warnings } = start({ loginThrottle: false })
    await send(app).set('X-Forwarded-For', '192.0.2.1')
    expect(warnings).toEqual([])
  })

  it('warns of nothing if the check is off', async () => {
    const { app, warnings } = start({ checks: { proxy_header_unused: false } })
    await send(app).set('X-Forwarded-For', '192.0.2.1')
    expect(warnings).toEqual([])
  })
})

describe('a rule of allow()', () => {
  const send = (app: Express) =>
    request(app)
      .get('/')
      .set({ 'X-Forwarded-For': '192.0.2.1', Authorization: bearerOf('alice') })

  it('that reads the address of the client warns once without "trust proxy"', async () => {
    const { app, warnings } = start({}, withRule({ '%%request.remoteIPAddress': '127.0.0.1' }))
    for (let i = 0; i < 2; i++) expect((await send(app)).status).toBe(200)
    expect(warnings).toMatchObject([{ code: 'proxy_header_unused' }])
    expect(warnings[0]!.message).toContain('%%request.remoteIPAddress')
  })

  it('that does not read the address warns of nothing', async () => {
    const { app, warnings } = start({}, withRule({ '%%request.httpMethod': 'GET' }))
    expect((await send(app)).status).toBe(200)
    expect(warnings).toEqual([])
  })
})

it.each([undefined, {}, { get: () => assertNever() }])(
  'a login without an app of Express works as usual, and warns of nothing: %j',
  async fake => {
    const { app, warnings } = start({}, userData =>
      express()
        .use((req: Request, _res, next) => {
          Object.defineProperty(req, 'app', { value: fake })
          Object.defineProperty(req, 'ip', { value: '127.0.0.1' })
          next()
        })
        .post(
          '/login',
          userData.login(() => ({ id: 'alice' })),
        ),
    )
    const answer = await request(app)
      .post('/login')
      .set('X-Forwarded-For', '192.0.2.1')
      .send({ email: 'alice' })
    expect(answer.status).toBe(200)
    expect(warnings).toEqual([])
  },
)

function assertNever(): never {
  throw new Error('An app whose members throw.')
}
