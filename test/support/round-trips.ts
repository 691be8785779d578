import { setTimeout as wait } from 'node:timers/promises'
import express from 'express'
import type { Express } from 'express'
import type { CustomUserData, LoginThrottleOptions, TokenAnswer } from 'express-custom-user-data'
import type { Collection, Db, MongoClient } from 'mongodb'
import request from 'supertest'
import type { Test } from 'supertest'
import { recordSteps } from './command-steps.js'
import type { TcpProxy } from './tcp-proxy.js'

/** The commands of one request that waited for each other, and the time until its answer. */
export interface RoundTrips {
  readonly steps: number
  readonly ms: number
}

/** A MongoDB behind a proxy. The client monitors commands and has connections to spare (`minPoolSize: 12`). */
export interface DistantDatabase {
  readonly client: MongoClient
  readonly db: Db
  readonly proxy: TcpProxy
  /** Creates an instance on this database that makes its indexes and follows no changes. */
  readonly createUserData: (loginThrottle: LoginThrottleOptions | false) => CustomUserData<object>
  readonly hashPassword: (password: string) => Promise<string>
}

const PASSWORD = 'the right password'

/**
 * Measures the requests of one user, each when its process has its indexes and has answered others before. Every answer of
 * MongoDB is delayed, so that commands which are sent together overlap in time.
 */
export async function measureRoundTrips(distant: DistantDatabase, delayMs: number) {
  const people = distant.db.collection('people')
  await people.createIndex({ email: 1 })
  await people.insertOne({ email: 'alice', passwordHash: await distant.hashPassword(PASSWORD) })
  const [counting, other] = [await start(distant, people, {}), await start(distant, people, false)]
  const measure = (status: number, send: () => Test) => measureRequest(distant, delayMs, status, send)
  const { access_token: unknownToken } = await logIn(counting)
  const { refresh_token: token } = await logIn(other)
  return {
    login: await measure(200, () => tryLogIn(counting, PASSWORD)),
    loginWithoutThrottle: await measure(200, () => tryLogIn(other, PASSWORD)),
    wrongPassword: await measure(401, () => tryLogIn(counting, 'wrong')),
    wrongPasswordWithoutThrottle: await measure(401, () => tryLogIn(other, 'wrong')),
    refresh: await measure(200, () => present(other, '/refresh', token)),
    logout: await measure(204, () => present(other, '/logout', token)),
    miss: await measure(200, () => getMe(other, unknownToken)),
  }
}

/** A process that has made its indexes and has answered requests before. */
async function start(
  distant: DistantDatabase,
  people: Collection,
  loginThrottle: LoginThrottleOptions | false,
): Promise<Express> {
  const userData = distant.createUserData(loginThrottle)
  await userData.ready()
  const app = express()
    .post('/login', userData.login(userData.passwordCredentials({ collection: people })))
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

async function measureRequest(
  { client, proxy }: DistantDatabase,
  delayMs: number,
  status: number,
  send: () => Test,
): Promise<RoundTrips> {
  // Commands that run after an answer must not be taken for steps of the next request.
  await wait(3 * delayMs)
  const steps = recordSteps(client)
  proxy.delay(delayMs)
  const startedAt = performance.now()
  try {
    const answer = await send()
    const ms = performance.now() - startedAt
    if (answer.status !== status) throw new Error(`The answer was ${answer.status} instead of ${status}.`)
    return { steps: steps.stop(), ms }
  } finally {
    proxy.delay(0)
  }
}

const tryLogIn = (app: Express, password: string) =>
  request(app).post('/login').send({ email: 'alice', password })

async function logIn(app: Express): Promise<TokenAnswer> {
  const answer = await tryLogIn(app, PASSWORD)
  if (answer.status !== 200) throw new Error(`A login was answered with ${answer.status}.`)
  return answer.body as TokenAnswer
}

const getMe = (app: Express, token: string) => request(app).get('/me').auth(token, { type: 'bearer' })

const present = (app: Express, path: string, token: string) =>
  request(app).post(path).send({ refresh_token: token })
