import { setTimeout as wait } from 'node:timers/promises'
import express from 'express'
import type { Express } from 'express'
import { hashPassword } from 'express-custom-user-data'
import type { LoginThrottleOptions, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Test } from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordSteps } from '../support/command-steps.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { primaryAddress } from '../support/primary-address.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import type { TcpProxy } from '../support/tcp-proxy.js'
import { createTestUserData } from '../support/user-data.js'

const PASSWORD = 'the right password'
/** Added to each answer of MongoDB, so that commands that are sent together overlap in time. */
const DELAY_MS = 30

let proxy: TcpProxy
let database: TestDatabase
beforeAll(async () => {
  const direct = await openDatabase()
  const { host, port } = await primaryAddress(direct.client)
  await direct.client.close()
  proxy = await startTcpProxy(host, port)
  database = await openDatabase({ proxyPort: proxy.port, minPoolSize: 12 })
  const people = database.db.collection('people')
  await people.createIndex({ email: 1 })
  await people.insertOne({ email: 'alice', passwordHash: await hashPassword(PASSWORD) })
})
afterAll(async () => {
  await proxy.restore()
  await database.close()
  await proxy.close()
})

/** A process that has made its indexes and has answered requests before. */
async function start(loginThrottle: LoginThrottleOptions | false): Promise<Express> {
  const userData = createTestUserData(database, { loginThrottle, changeStreams: 'off' })
  await userData.ready()
  const verify = userData.passwordCredentials({ collection: database.db.collection('people') })
  const app = express()
    .post('/login', userData.login(verify))
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .get('/me', userData.authenticate(), (req, res) => res.json(req.user))
    .use(userData.errorHandler())
  // These logins open connections. A command that waits for a new connection would look like a step of its own.
  await Promise.all([1, 2, 3].map(() => logIn(app)))
  const { access_token: token } = await logIn(app)
  await getMe(app, token)
  return app
}

const tryLogIn = (app: Express, password: string) =>
  request(app).post('/login').send({ email: 'alice', password })

async function logIn(app: Express): Promise<TokenAnswer> {
  const answer = await tryLogIn(app, PASSWORD)
  expect(answer.status).toBe(200)
  return answer.body as TokenAnswer
}

const getMe = (app: Express, token: string) => request(app).get('/me').auth(token, { type: 'bearer' })

const present = (app: Express, path: string, token: string) =>
  request(app).post(path).send({ refresh_token: token })

/** Sends a request, and counts the commands before its answer that waited for each other. */
async function countSteps(send: () => Test, status: number): Promise<number> {
  const steps = recordSteps(database.client)
  proxy.delay(DELAY_MS)
  try {
    const answer = await send()
    const count = steps.stop()
    expect(answer.status).toBe(status)
    return count
  } finally {
    proxy.delay(0)
    // Commands that run after the answer must not be taken for steps of the next request.
    await wait(3 * DELAY_MS)
  }
}

describe('commands that wait for each other', () => {
  it('are at most 4 in a login with the throttle', async () => {
    const app = await start({})
    expect(await countSteps(() => tryLogIn(app, PASSWORD), 200)).toBeLessThanOrEqual(4)
  })

  it('are at most 3 in a login without the throttle', async () => {
    const app = await start(false)
    expect(await countSteps(() => tryLogIn(app, PASSWORD), 200)).toBeLessThanOrEqual(3)
  })

  it('are at most 3 in a login with a wrong password, and 2 without the throttle', async () => {
    const [counting, other] = await Promise.all([start({}), start(false)])
    expect(await countSteps(() => tryLogIn(counting, 'wrong'), 401)).toBeLessThanOrEqual(3)
    expect(await countSteps(() => tryLogIn(other, 'wrong'), 401)).toBeLessThanOrEqual(2)
  })

  it('are at most 2 in a refresh', async () => {
    const app = await start(false)
    const { refresh_token: token } = await logIn(app)
    expect(await countSteps(() => present(app, '/refresh', token), 200)).toBeLessThanOrEqual(2)
  })

  it('is at most 1 in a logout', async () => {
    const app = await start(false)
    const { refresh_token: token } = await logIn(app)
    expect(await countSteps(() => present(app, '/logout', token), 204)).toBeLessThanOrEqual(1)
  })

  it('is at most 1 in a request whose token has no snapshot yet', async () => {
    const [app, other] = await Promise.all([start(false), start(false)])
    const { access_token: token } = await logIn(other)
    expect(await countSteps(() => getMe(app, token), 200)).toBeLessThanOrEqual(1)
  })
})
