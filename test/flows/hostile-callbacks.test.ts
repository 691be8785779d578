import express from 'express'
import request from 'supertest'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

const database = useDatabase()
let unhandled: unknown[]
const note = (error: unknown) => unhandled.push(error)

beforeEach(() => {
  unhandled = []
  process.on('unhandledRejection', note).on('uncaughtException', note)
})
afterEach(() => {
  process.off('unhandledRejection', note).off('uncaughtException', note)
})

const throws = () => {
  throw new Error('theirs')
}
const rejects = () => Promise.reject(new Error('theirs'))
const never = () => new Promise<never>(() => undefined)

/** Rejections are reported once the microtasks of a turn are done. */
const nextTurns = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

it('a callback that throws, rejects or never settles fails its request and does not end the process', async () => {
  const userData = createTestUserData(database, { verifyCredentialsTimeoutMs: 20 })
  const app = express()
  const expected = new Map<string, number>()
  const callbacks: [string, () => never | Promise<never>, number][] = [
    ['throws', throws, 500],
    ['rejects', rejects, 500],
    ['never', never, 503],
  ]
  for (const [name, callback, status] of callbacks) {
    app.post(`/login/${name}`, userData.login(callback))
    expected.set(`/login/${name}`, status)
    const presetUser: express.RequestHandler = (req, _res, next) => {
      req.user = { id: 'alice' } as Express.User
      next()
    }
    for (const option of ['userId', 'boundTo', 'expiresAt']) {
      const path = `/attach/${option}/${name}`
      const attach = userData.attach({ boundTo: () => 'a', [option]: callback })
      app.post(path, presetUser, attach, (_req, res) => res.end())
      expected.set(path, 500)
    }
  }
  userData.events.on('warning', throws).on('load_failed', throws)
  app.use(userData.errorHandler())
  for (const [path, status] of expected) {
    const answer = await request(app).post(path).send({ email: 'a' })
    expect(answer.status, path).toBe(status)
    expect(answer.text, path).not.toContain('theirs')
  }
  await nextTurns()
  expect(unhandled).toEqual([])
})

it('outages of MongoDB never end the process', async () => {
  const proxied = await openProxiedDatabase(database, { serverSelectionTimeoutMS: 100 })
  const { proxy } = proxied
  const limits = { loadTimeoutMs: 100, sessionTimeoutMs: 100 }
  const userData = createTestUserData(proxied, limits)
  const app = express()
  app.post(
    '/login',
    userData.login(() => ({ id: 'alice' })),
  )
  app.post('/refresh', userData.refresh())
  app.get('/me', userData.authenticate(), (_req, res) => res.end())
  const { refresh_token } = await createTestUserData(database).issueTokens('alice')

  proxy.cut()
  for (let turn = 0; turn < 3; turn++) {
    const answers = await Promise.all([
      request(app).post('/login').send({ email: 'a' }),
      request(app).post('/refresh').send({ refresh_token }),
      request(app)
        .get('/me')
        .auth(forgeToken({ claims: validClaims(`user ${turn}`) }), { type: 'bearer' }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503])
  }
  await proxy.restore()
  await expect.poll(async () => (await request(app).post('/login').send({ email: 'a' })).status).toBe(200)
  await nextTurns()
  expect(unhandled).toEqual([])
})

it('a closed instance still answers, with 503', async () => {
  const userData = createTestUserData(database)
  const app = express()
  app.get('/me', userData.authenticate(), (_req, res) => res.end())
  const pending = request(app)
    .get('/me')
    .auth(forgeToken({ claims: validClaims('alice') }), { type: 'bearer' })
  await userData.close()
  expect((await pending).status).toBe(503)
  await nextTurns()
  expect(unhandled).toEqual([])
})
