import express from 'express'
import type { Express } from 'express'
import type { CustomUserData, CustomUserDataEvents, TokenAnswer } from 'express-custom-user-data'
import request from 'supertest'
import type { Response, Test } from 'supertest'
import { expect } from 'vitest'

type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>

/** Creates an app with every route for sessions. `/login` accepts any user without a password. */
export function createSessionApp(userData: TestUserData): Express {
  return express()
    .post(
      '/login',
      userData.login(({ user }) => (typeof user === 'string' ? { id: user } : null)),
    )
    .post('/refresh', userData.refresh())
    .post('/logout', userData.logout())
    .use(userData.authenticate())
    .get('/me', (req, res) => res.json(req.user))
    .post('/logout-all', userData.logoutAll())
    .use('/sessions', userData.ownSessions())
    .use(userData.errorHandler())
}

/** Logs a user in. Fails unless the login succeeds. */
export async function logIn(app: Express, user = 'alice'): Promise<TokenAnswer<object>> {
  const answer = await request(app).post('/login').send({ user })
  expect(answer.status).toBe(200)
  return answer.body as TokenAnswer<object>
}

/** Presents a refresh token. */
export function refresh(app: Express, refreshToken: string): Test {
  return request(app).post('/refresh').send({ refresh_token: refreshToken })
}

/** Exchanges a refresh token for its successor. Fails unless the refresh succeeds. */
export async function exchange(app: Express, refreshToken: string): Promise<string> {
  const answer = await refresh(app, refreshToken)
  expect(answer.status).toBe(200)
  return (answer.body as TokenAnswer<object>).refresh_token
}

/** Logs out with a refresh token. */
export function logOut(app: Express, refreshToken: string): Test {
  return request(app).post('/logout').send({ refresh_token: refreshToken })
}

/** Requests `/me` with an access token. */
export function getMe(app: Express, accessToken: string): Test {
  return request(app).get('/me').auth(accessToken, { type: 'bearer' })
}

/** Fails unless the answer is the one for every invalid refresh token. */
export function expectInvalidGrant({ status, body, headers }: Response): void {
  const error_description = 'The refresh token is unknown, used, expired or revoked.'
  expect({ status, body: body as unknown }).toEqual({
    status: 400,
    body: { error: 'invalid_grant', error_description },
  })
  expect(headers).not.toHaveProperty('www-authenticate')
}

/** Fails unless an answer says that MongoDB is away, and not that the token is invalid. */
export function expectUnavailable({ status, body, headers }: Response): void {
  expect(status).toBe(503)
  expect(body).toMatchObject({ error: 'temporarily_unavailable' })
  expect(headers).toMatchObject({ 'retry-after': '1' })
  expect(headers).not.toHaveProperty('www-authenticate')
}

/** Reads the session id from a refresh token. */
export function sidOf(refreshToken: string): string {
  return refreshToken.split('.')[0]!
}

const EVENT_NAMES = [
  'warning',
  'load_failed',
  'key_set_failed',
  'login',
  'login_refused',
  'throttled',
  'refreshed',
  'replayed',
  'reuse_detected',
  'session_limit',
  'revoked',
  'hook_failed',
] as const satisfies (keyof CustomUserDataEvents)[]

/** Records the events of an instance from now on, each with its name. */
export function recordEvents({ events }: Pick<TestUserData, 'events'>): Record<string, unknown>[] {
  const recorded: Record<string, unknown>[] = []
  for (const name of EVENT_NAMES) events.on(name, (event: object) => recorded.push({ name, ...event }))
  return recorded
}
