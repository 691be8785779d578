import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import express from 'express'
import type { Express } from 'express'
import request from 'supertest'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CustomUserDataError } from 'express-custom-user-data'
import type {
  ChannelMessages,
  CustomUserData,
  CustomUserDataEvents,
  TokenAnswer,
  TrustedIssuer,
} from 'express-custom-user-data'
import { CHANNELS, EVENT_CHANNELS } from '../lib/channels.js'
import { onMessages, recordMessages } from './support/channels.js'
import type { Heard } from './support/channels.js'
import { useDatabase } from './support/database.js'
import { holdDeadlines } from './support/deadlines.js'
import { onError } from './support/http.js'
import { createTestUserData, forgeToken, validClaims } from './support/user-data.js'

const PASSWORD = 'the right password'
const ISSUER = {
  issuer: 'https://idp.example.com',
  jwksUri: 'https://idp.example.com/jwks',
  audience: 'https://api.example.com',
  algorithms: ['RS256'],
  userIdPrefix: 'idp|',
} satisfies TrustedIssuer
const EVENTS = Object.keys(EVENT_CHANNELS) as (keyof CustomUserDataEvents)[]
const EVENTS_WITH_CHANNEL = EVENTS.filter(name => EVENT_CHANNELS[name]) as (keyof ChannelMessages &
  keyof CustomUserDataEvents)[]
const ALL = [...(Object.keys(CHANNELS) as (keyof ChannelMessages)[]), ...EVENTS_WITH_CHANNEL]

interface Instance {
  readonly app: Express
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
}

holdDeadlines()
const database = useDatabase()
let users = 0

function start(options: Parameters<typeof createTestUserData>[1] = {}): Instance {
  const userData = createTestUserData(database, options)
  const app = express()
    .post('/login', userData.login(verify))
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .use(userData.authenticate())
    .get('/me', (req, res) => res.json(req.user))
    .use('/sessions', userData.ownSessions())
    .use('/data', userData.ownData({ fields: ['language'], upsert: true }))
    .use(userData.errorHandler())
  return { app, userData }
}

function verify({ email, password }: Readonly<Record<string, unknown>>) {
  if (password === 'broken') throw new Error(`no answer for ${String(email)}`)
  return password === PASSWORD ? { id: String(email) } : null
}

function logIn(app: Express, password = PASSWORD, email = `user-${users}@example.com`) {
  return request(app).post('/login').send({ email, password })
}

/** Logs in and does what users and attackers do, so that nearly all events happen. */
async function useEverything({ app, userData }: Instance): Promise<TokenAnswer<object>> {
  users++
  await logIn(app, 'wrong')
  await logIn(app, 'broken')
  const { body: tokens } = (await logIn(app)) as { body: TokenAnswer<object> }
  const { refresh_token } = tokens
  for (const token of [refresh_token, refresh_token, 'made-up'])
    await request(app).post('/refresh').send({ refresh_token: token })
  const asUser = { Authorization: `Bearer ${tokens.access_token}` }
  await request(app).get('/me').set(asUser)
  await request(app).patch('/data').set(asUser).send({ language: 'en' })
  await request(app).patch('/data').set(asUser).send({ role: 'admin' })
  await request(app).delete('/sessions/another').set(asUser)
  await request(app).post('/logout').send({ refresh_token })
  await userData.disable(tokens.user.id)
  await userData.enable(tokens.user.id)
  userData.addTrustedIssuer(ISSUER)
  userData.removeTrustedIssuer(ISSUER.issuer)
  return tokens
}

describe('the channel with the name of an event', () => {
  it('gets each event with the same members, and with the collection', async () => {
    const instance = start({ loginThrottle: { accountAndAddressFailures: 3 } })
    const events: Heard[] = []
    for (const name of EVENTS_WITH_CHANNEL)
      instance.userData.events.on(name, (event: object) => {
        events.push({ name, message: { collection: 'custom_user_data', ...event } })
      })
    const messages = recordMessages(...EVENTS_WITH_CHANNEL)
    await useEverything(instance)
    for (let n = 0; n < 4; n++) await logIn(instance.app, 'wrong')
    expect(messages).toEqual(events)
    expect(new Set(messages.map(({ name }) => name))).toEqual(
      new Set([
        ...['login', 'login_refused', 'throttled', 'refreshed', 'replayed', 'refresh_refused', 'revoked'],
        ...['session_ended', 'enabled', 'written', 'session_end_refused', 'fields_refused'],
        ...['trusted_issuer_added', 'trusted_issuer_removed'],
      ]),
    )
  })

  it('gets each event if nobody listens to the event', async () => {
    const messages = recordMessages('login', 'login_refused')
    const { app } = start()
    users++
    await logIn(app, 'wrong')
    await logIn(app)
    expect(messages.map(({ name }) => name)).toEqual(['login_refused', 'login'])
  })

  it('does not exist for an event whose error may hold anything', async () => {
    const withError = EVENTS.filter(name => !EVENT_CHANNELS[name])
    expect(withError).toEqual([
      'load_failed',
      'key_set_failed',
      'request_failed',
      'hook_failed',
      'change_stream',
    ])
    const { userData } = start({ maxDocumentBytes: 1 })
    let failed = 0
    userData.events.on('load_failed', () => failed++)
    const heard: unknown[] = []
    const onMessage = (message: unknown): void => void heard.push(message)
    subscribe('express-custom-user-data:load_failed', onMessage)
    onTestFinished(() => void unsubscribe('express-custom-user-data:load_failed', onMessage))
    await database.db.collection('custom_user_data').insertOne({ userId: 'large' })
    await userData.verifyToken(forgeToken({ claims: validClaims('large') })).catch(() => undefined)
    expect(failed).toBe(1)
    expect(heard).toEqual([])
  })
})

describe('all channels', () => {
  it('never carry a token, a password, or the name of an account', async () => {
    const instance = start({ loginThrottle: { accountAndAddressFailures: 3 } })
    const messages = recordMessages(...ALL)
    const { access_token, refresh_token } = await useEverything(instance)
    for (let n = 0; n < 4; n++) await logIn(instance.app, 'wrong')
    // The id of a user is the address here, so only messages without an id can be compared with it.
    const said = JSON.stringify(messages)
    const withoutIds = JSON.stringify(messages.filter(({ message }) => message['userId'] === undefined))
    for (const secret of [
      access_token,
      access_token.split('.')[2]!,
      refresh_token,
      PASSWORD,
      'broken',
      'made-up',
    ])
      expect(said).not.toContain(secret)
    expect(withoutIds).not.toContain('@example.com')
    expect(messages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['operation', 'request_failed', 'throttled', 'login_refused']),
    )
  })

  it('publish in the context of the request that caused the message', async () => {
    const context = new AsyncLocalStorage<string>()
    const { userData } = start()
    const heard: string[] = []
    onMessages(['load', 'shared_load', 'operation', 'login', 'refused'], ({ name }) =>
      heard.push(`${name} of ${context.getStore()}`),
    )
    const token = forgeToken({ claims: validClaims('someone') })
    await Promise.all(['first', 'second'].map(name => context.run(name, () => userData.verifyToken(token))))
    expect(heard.splice(0)).toEqual(['load of first', 'shared_load of second'])
    const app = express()
      .use((req, _res, next) => {
        context.run(req.path, next)
      })
      .post('/login', userData.login(verify))
      .get('/me', userData.authenticate())
    await logIn(app)
    await request(app).get('/me')
    expect(heard).toEqual(['load of /login', 'login of /login', 'operation of /login', 'refused of /me'])
  })

  it.each<[keyof ChannelMessages, number, string]>([
    ['login', 200, PASSWORD],
    ['load', 200, PASSWORD],
    ['operation', 200, PASSWORD],
    ['login_refused', 401, 'wrong'],
    ['operation', 401, 'wrong'],
    ['request_failed', 500, 'broken'],
  ])(
    'protect a login from a subscriber to %s that throws: the answer stays %i',
    async (name, status, password) => {
      const thrown: unknown[] = []
      const onThrown = (error: unknown): void => void thrown.push(error)
      const others = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException').on('uncaughtException', onThrown)
      onTestFinished(() => {
        process.removeListener('uncaughtException', onThrown)
        for (const listener of others) process.on('uncaughtException', listener)
      })
      onMessages([name], () => {
        throw new Error('broken subscriber')
      })
      const { app, userData } = start()
      userData.events.on('request_failed', () => undefined)
      users++
      expect((await logIn(app, password)).status).toBe(status)
      expect(thrown).toEqual([new Error('broken subscriber')])
    },
  )
})

describe('the channel request_failed', () => {
  const failing = () => {
    throw new CustomUserDataError('closed', 'no mail for secret-token-1234567890')
  }

  it('tells of each route that answers with 5xx, without a token in the path', async () => {
    const { userData } = start()
    const messages = recordMessages('request_failed')
    userData.events.on('request_failed', () => undefined)
    const app = express()
      .post('/magic/:token', userData.login(failing))
      .get('/rule', userData.attach())
      .use(userData.errorHandler())
    await request(app).post('/magic/secret-token-1234567890').send({ email: 'a' }).expect(503)
    await request(app).get('/rule').expect(500)
    const collection = 'custom_user_data'
    expect(messages.map(({ message }) => message)).toEqual([
      { collection, code: 'closed', status: 503, route: 'POST /magic/:token' },
      { collection, code: 'attach_misconfigured', status: 500, route: 'GET /rule' },
    ])
    expect(userData.stats().failedRequests).toEqual({ closed: 1, attach_misconfigured: 1 })
  })

  it('tells of an error that errorHandler() gives to onError, and the event does not', async () => {
    const { userData } = start()
    const messages = recordMessages('request_failed')
    const events: unknown[] = []
    userData.events.on('request_failed', event => events.push(event))
    const errors: unknown[] = []
    const app = express()
      .get('/', failing)
      .use(userData.errorHandler({ onError: error => errors.push(error) }))
    await request(app).get('/').expect(503)
    expect([errors.length, messages.length, events.length]).toEqual([1, 1, 0])
  })

  it('tells once of an error for which onError fails, and so does the event', async () => {
    const { userData } = start()
    const messages = recordMessages('request_failed')
    const events: unknown[] = []
    userData.events.on('request_failed', event => events.push(event))
    const app = express()
      .get('/', failing)
      .use(userData.errorHandler({ onError: () => Promise.reject(new Error('no log')) }))
    await request(app).get('/').expect(503)
    await expect.poll(() => events.length).toBe(1)
    expect(messages).toHaveLength(1)
  })

  it('tells of functions without a request, and once if the error comes to errorHandler() later', async () => {
    const { userData } = start({ maxDocumentBytes: 1 })
    const messages = recordMessages('request_failed')
    userData.events.on('request_failed', () => undefined)
    await database.db.collection('custom_user_data').insertOne({ userId: 'too-large' })
    const token = forgeToken({ claims: validClaims('too-large') })
    const credentials = { verifyCredentials: () => ({ id: 'too-large' }), credentials: {} }
    const calls = {
      'verifyToken()': () => userData.verifyToken(token),
      'issueTokens()': () => userData.issueTokens('too-large'),
      'authenticateLogin()': () => userData.authenticateLogin(credentials),
    }
    const app = express()
    for (const [name, call] of Object.entries(calls))
      app.get(`/${name.slice(0, -2)}`, (_req, _res, next) => void call().catch(next))
    app.use(userData.errorHandler())
    for (const name of Object.keys(calls))
      await request(app)
        .get(`/${name.slice(0, -2)}`)
        .expect(500)
    for (const call of Object.values(calls)) await call().catch(() => undefined)
    const names = Object.keys(calls)
    expect(messages.map(({ message }) => message['route'])).toEqual([...names, ...names])
    expect(userData.stats().failedRequests).toEqual({ custom_data_too_large: 6 })
  })

  it('tells of each request that shares the error of one load', async () => {
    const { userData } = start({ maxDocumentBytes: 1 })
    const messages = recordMessages('request_failed')
    userData.events.on('request_failed', () => undefined)
    await database.db.collection('custom_user_data').insertOne({ userId: 'huge' })
    const app = express().get('/me', userData.authenticate()).use(userData.errorHandler())
    const server = app.listen(0)
    onTestFinished(() => void server.close())
    const Authorization = `Bearer ${forgeToken({ claims: validClaims('huge') })}`
    await Promise.all([1, 2, 3].map(() => request(server).get('/me').set({ Authorization }).expect(500)))
    expect(messages).toHaveLength(3)
  })

  it('tells once of each call that shares the error of one load, also if the errors come to errorHandler()', async () => {
    const { userData } = start({ maxDocumentBytes: 1 })
    const messages = recordMessages('request_failed')
    userData.events.on('request_failed', () => undefined)
    await database.db.collection('custom_user_data').insertOne({ userId: 'giant' })
    const token = forgeToken({ claims: validClaims('giant') })
    const calls = [1, 2].map(() => userData.verifyToken(token).catch((error: unknown) => error))
    const errors = await Promise.all(calls)
    expect(errors[0]).toBe(errors[1])
    const app = express()
      .use((_req, _res, next) => {
        next(errors.pop())
      })
      .use(userData.errorHandler())
    for (let n = 0; n < 2; n++) await request(app).get('/').expect(500)
    expect(messages.map(({ message }) => message['route'])).toEqual(['verifyToken()', 'verifyToken()'])
  })

  it('does not tell of refusals, or of an error that the error handler of the app answers', async () => {
    const { userData } = start()
    const messages = recordMessages('request_failed')
    const app = express()
      .post('/login', userData.login(verify))
      .get('/', userData.attach())
      .use(onError((_error, res) => res.status(500).end()))
    await logIn(app, 'wrong').expect(401)
    await request(app).get('/').expect(500)
    expect(messages).toEqual([])
    expect(userData.stats().failedRequests).toEqual({})
    expect(userData.stats().refused).toEqual({ attach_misconfigured: 1 })
  })
})
