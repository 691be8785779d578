import type { App } from '../app.js'
import { visitData } from '../data.js'
import { bearer } from '../visit.js'
import type { Visit } from '../visit.js'

/** CommonJS from express-generator, Express 4.16, mongoose 5, bcrypt 3, express-jwt, mocha. */
export const restApiNodejsMongodb: App = {
  name: 'rest-api-nodejs-mongodb',
  source: {
    repository: 'maitraysuthar/rest-api-nodejs-mongodb',
    commit: '6a1ba2da70a26b010d5aa1791a778a69b8ce7396',
  },
  env: (_mongoUrl, smtpPort) => ({
    JWT_SECRET: 'abcdefghijklmnopqrstuvwxyz1234567890',
    JWT_TIMEOUT_DURATION: '2 hours',
    EMAIL_SMTP_HOST: '127.0.0.1',
    EMAIL_SMTP_PORT: String(smtpPort),
    EMAIL_SMTP_USERNAME: 'user',
    EMAIL_SMTP_PASSWORD: 'password',
  }),
  tests: { runner: 'mocha', command: ['mocha', '--timeout', '10000', '--exit'], failing: [] },
  start: ['node', 'bin/www'],
  ways: [{ name: 'attach', requests: visit }],
  withoutUpgrade: {
    versions: ['mongoose@5.7.6', 'express@4.16.4'],
    npm: /peer express@"[^"]*" from express-custom-user-data|peerOptional mongoose@"[^"]*" from express-custom-user-data/,
    app: /mongoose 5\.7\.6 brings an older driver/,
  },
}

const CREDENTIALS = { email: 'ann@example.com', password: 'Test@123' }

async function visit(visit: Visit): Promise<void> {
  const { db, expect } = visit
  await expect(200, 'POST', '/api/auth/register', {
    json: { firstName: 'Ann', lastName: 'Ash', ...CREDENTIALS },
  })
  await db.collection('users').updateOne({ email: CREDENTIALS.email }, { $set: { isConfirmed: true } })
  const { body } = await expect(200, 'POST', '/api/auth/login', { json: CREDENTIALS })
  await visitData(visit, { path: '/api/custom-data', sent: bearer(body.data.token), userId: body.data._id })
}
