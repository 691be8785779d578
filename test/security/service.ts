import express from 'express'
import type { Express, RequestHandler } from 'express'
import type { CustomUserData, CustomUserDataOptions } from 'express-custom-user-data'
import supertest from 'supertest'
import type { Test } from 'supertest'
import type { TestDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

/** The tokens in the answer to a login. */
export interface TokenPair {
  readonly access_token: string
  readonly refresh_token: string
}

/** A service with login, refresh, logout and a guarded route. */
export interface Service {
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
  readonly app: Express
  /** `GET /me` with a token, or without one. */
  readonly me: (token?: string) => Test
  readonly post: (path: string, body: object) => Test
  /** The token pair of a login as this user. */
  readonly login: (id: string) => Promise<TokenPair>
}

/** How a service differs from the one in the README. */
export type ServiceOptions = Partial<CustomUserDataOptions<Record<string, unknown>>> & {
  /** Middleware before everything. */
  readonly before?: readonly RequestHandler[]
  /** Leave errors to Express's own handler. */
  readonly plainErrors?: boolean
}

/** Creates a service. `/login` accepts any `id` but "nobody", and the guarded `/me` answers with `req.user`. */
export async function createService(database: TestDatabase, options: ServiceOptions = {}): Promise<Service> {
  const { before = [], plainErrors = false, ...ours } = options
  const userData = createTestUserData(database, ours)
  await userData.ready()
  const app = express()
  // In other environments Express logs each refusal.
  app.set('env', 'test')
  for (const middleware of before) app.use(middleware)
  mountTokenRoutes(app, userData)
  app.use('/me', userData.authenticate(), (req, res) => {
    res.json(req.user)
  })
  if (!plainErrors) app.use(userData.errorHandler())
  return { userData, app, ...clientOf(app) }
}

function mountTokenRoutes(app: Express, userData: Service['userData']): void {
  const login = userData.login(({ id }) => (typeof id === 'string' && id !== 'nobody' ? { id } : null))
  app.use('/login', login).use('/refresh', userData.refresh()).use('/logout', userData.logout())
}

function clientOf(app: Express): Pick<Service, 'me' | 'post' | 'login'> {
  const post = (path: string, body: object): Test => supertest(app).post(path).send(body)
  return {
    post,
    me: token => {
      const request = supertest(app).get('/me')
      return token === undefined ? request : request.auth(token, { type: 'bearer' })
    },
    login: async id => {
      const { body } = await post('/login', { id })
      return body as TokenPair
    },
  }
}
