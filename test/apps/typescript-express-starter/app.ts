import assert from 'node:assert/strict'
import type { App } from '../app.js'
import { visitData } from '../data.js'
import { bearer } from '../visit.js'
import type { Visit } from '../visit.js'

/** ts-jest with type errors, `moduleResolution: node`, `RequestWithUser extends Request`, an access token in a cookie. */
export const typescriptExpressStarter: App = {
  name: 'typescript-express-starter',
  source: {
    repository: 'ljlm0402/typescript-express-starter',
    commit: '2fe7b4b38c08069835c36d1044349c1306a57a7b',
    folder: 'lib/mongoose',
  },
  env: mongoUrl => {
    const { hostname, port, pathname } = new URL(mongoUrl)
    return {
      DB_HOST: hostname,
      DB_PORT: port,
      DB_DATABASE: pathname.slice(1),
      SECRET_KEY: 'secretKey',
      LOG_FORMAT: 'dev',
      LOG_DIR: '../logs',
      ORIGIN: '*',
    }
  },
  tests: { runner: 'jest', command: ['jest', '--forceExit'], failing: [] },
  start: ['ts-node', '--transpile-only', '--require', 'tsconfig-paths/register', 'src/server.ts'],
  ways: [{ name: 'attach', checks: [['tsc', '--noEmit', '--project', '.']], requests: visit }],
  withoutUpgrade: {
    versions: ['mongoose@6.13.8'],
    npm: /peerOptional mongoose@"[^"]*" from express-custom-user-data/,
    app: /mongoose 6\.13\.8 brings mongodb 4\./,
    logs: 'src/logs/error',
  },
}

const CREDENTIALS = { email: 'ann@example.com', password: 'q1w2e3r4' }

async function visit(visit: Visit): Promise<void> {
  const { expect } = visit
  await expect(404, 'GET', '/custom-data')
  const { body: registered } = await expect(201, 'POST', '/signup', { json: CREDENTIALS })
  const { headers } = await expect(200, 'POST', '/login', { json: CREDENTIALS })
  const sent = { headers: { Cookie: headers.getSetCookie()[0]?.split(';')[0] ?? '' } }
  await visitData(visit, { path: '/custom-data', sent, userId: registered.data._id })

  // The app has no refresh: a second login gives another token, with a snapshot of its own.
  await expect(200, 'POST', '/logout', sent)
  const next = await expect(200, 'POST', '/login', { json: CREDENTIALS })
  const Cookie = next.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  assert.equal((await expect(200, 'GET', '/custom-data', { headers: { Cookie } })).body.language, 'de')

  // The app also takes its access token in the header.
  const token = Cookie.slice(Cookie.indexOf('=') + 1)
  assert.equal((await expect(200, 'GET', '/custom-data', bearer(token))).body.language, 'de')
}
