import assert from 'node:assert/strict'
import { hashPassword } from 'express-custom-user-data'
import type { App } from '../app.js'
import { visitData } from '../data.js'
import { bearer } from '../visit.js'
import type { Visit } from '../visit.js'

/** CommonJS, Express 4.16, no database and no login of its own: the package brings all of them. It has no tests. */
export const expressGenerator: App = {
  name: 'express-generator',
  source: { generator: ['npx', '--yes', 'express-generator@4.16.1', '--no-view'] },
  env: () => ({ ACCESS_TOKEN_SECRET: '4Yq2mXv8rTn0LwZc6bHs1KdPjEuGfAoI' }),
  start: ['node', 'bin/www'],
  ways: [{ name: 'full', requests: visit }],
  withoutUpgrade: {
    versions: ['express@~4.16.1'],
    npm: /peer express@"[^"]*" from express-custom-user-data/,
  },
}

const CREDENTIALS = { email: 'ann@example.com', password: 'a long password' }

async function visit(visit: Visit): Promise<void> {
  const { db, expect } = visit
  const { email, password } = CREDENTIALS
  await db.collection('users').insertOne({ email, passwordHash: await hashPassword(password) })
  await expect(401, 'GET', '/users')
  await expect(401, 'POST', '/login', { json: { email, password: 'a wrong password' } })
  const { body: first } = await expect(200, 'POST', '/login', { json: CREDENTIALS })
  await visitData(visit, { path: '/custom-data', sent: bearer(first.access_token), userId: first.user.id })

  const json = { refresh_token: first.refresh_token }
  const { body: next } = await expect(200, 'POST', '/refresh', { json })
  assert.equal(next.user.customData.language, 'de')
  await expect(200, 'GET', '/users', bearer(next.access_token))
  await expect(204, 'POST', '/logout', { json: { refresh_token: next.refresh_token } })
  await expect(401, 'GET', '/users', bearer(next.access_token))
  await expect(400, 'POST', '/refresh', { json: { refresh_token: next.refresh_token } })
}
