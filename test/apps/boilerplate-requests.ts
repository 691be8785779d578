import assert from 'node:assert/strict'
import { visitData } from './data.js'
import { bearer } from './visit.js'
import type { Visit } from './visit.js'

const CREDENTIALS = { email: 'ann@example.com', password: 'password1' }
const USER = { name: 'Ann', ...CREDENTIALS }

/** The failures of `loginThrottle: { accountAndAddressFailures }` that its default allows. */
const ALLOWED_FAILURES = 10

/** The tests of either boilerplate whose subject is gone when the package issues the tokens. */
export const REPLACED: readonly string[] = [
  // It looks for the new refresh token in the app's collection of tokens. Sessions of the package are in its own.
  'Auth routes POST /v1/auth/refresh-tokens should return 200 and new auth tokens if refresh token is valid',
]

/** Tokens of a session that a logout has ended. */
interface EndedSession {
  readonly accessToken: string
  readonly refreshToken: string
}

/**
 * Register, login, data, refresh and logout of the two boilerplates, one of which was made from the other. A refresh after the
 * logout is not tried: tokens that the apps sign for a user within one second are equal, and a logout deletes one of them.
 */
export async function visitBoilerplate(visit: Visit): Promise<EndedSession> {
  const { expect } = visit
  await expect(401, 'GET', '/v1/custom-data')
  const { body: registered } = await expect(201, 'POST', '/v1/auth/register', { json: USER })
  const { body: first } = await expect(200, 'POST', '/v1/auth/login', { json: CREDENTIALS })
  await visitData(visit, {
    path: '/v1/custom-data',
    sent: bearer(first.tokens.access.token),
    userId: registered.user.id,
  })

  const refreshToken: string = first.tokens.refresh.token
  const { body: next } = await expect(200, 'POST', '/v1/auth/refresh-tokens', { json: { refreshToken } })
  const tokens = next.tokens ?? next
  const { body: data } = await expect(200, 'GET', '/v1/custom-data', bearer(tokens.access.token))
  assert.equal(data.language, 'de')
  await expect(204, 'POST', '/v1/auth/logout', { json: { refreshToken: tokens.refresh.token } })
  return { accessToken: tokens.access.token, refreshToken: tokens.refresh.token }
}

/**
 * The same where the package issues the tokens. Then the logout also ends the access tokens of the session, and failed logins are
 * counted.
 */
export async function visitReplaced(visit: Visit): Promise<void> {
  const { expect } = visit
  const { accessToken, refreshToken } = await visitBoilerplate(visit)
  await expect(401, 'GET', '/v1/custom-data', bearer(accessToken))
  await expect(401, 'POST', '/v1/auth/refresh-tokens', { json: { refreshToken } })

  const wrong = { ...CREDENTIALS, password: 'password2' }
  for (let count = 0; count < ALLOWED_FAILURES; count += 1) {
    const { body } = await expect(401, 'POST', '/v1/auth/login', { json: wrong })
    assert.equal(body.message, 'Incorrect email or password')
  }
  const { headers } = await expect(429, 'POST', '/v1/auth/login', { json: wrong })
  assert.ok(Number(headers.get('Retry-After')) > 0)
}
