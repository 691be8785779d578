import assert from 'node:assert/strict'
import { visitData } from './data.js'
import { bearer } from './visit.js'
import type { Visit } from './visit.js'

const CREDENTIALS = { email: 'ann@example.com', password: 'password1' }
const USER = { name: 'Ann', ...CREDENTIALS }

/** Register, login, data, refresh and logout of the two boilerplates, one of which was made from the other. */
export async function visitBoilerplate(visit: Visit): Promise<void> {
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
  await expect(401, 'POST', '/v1/auth/refresh-tokens', { json: { refreshToken: tokens.refresh.token } })
}
