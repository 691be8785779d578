import assert from 'node:assert/strict'
import type { App } from '../app.js'
import { visitBoilerplate } from '../boilerplate-requests.js'
import { bearer } from '../visit.js'
import type { Visit } from '../visit.js'

/** CommonJS, mongoose 5, Jest 26, passport-jwt, an access token and a refresh token of its own. */
export const nodeExpressBoilerplate: App = {
  name: 'node-express-boilerplate',
  source: {
    repository: 'hagopj13/node-express-boilerplate',
    commit: '179ae84efec61b14206d0305d941daed6c6d07f9',
  },
  env: () => ({
    JWT_SECRET: 'a secret of 32 bytes, for the tests of apps',
    ACCESS_TOKEN_SECRET: '4Yq2mXv8rTn0LwZc6bHs1KdPjEuGfAoI',
  }),
  tests: { runner: 'jest', command: ['jest', '--runInBand'], failing: [] },
  start: ['node', 'src/index.js'],
  ways: [
    {
      name: 'full',
      replaced: [
        // It looks for the new refresh token in the app's collection of tokens. Sessions of the package are in its own.
        'Auth routes POST /v1/auth/refresh-tokens should return 200 and new auth tokens if refresh token is valid',
      ],
      requests: visitReplaced,
    },
    { name: 'attach', requests: visitBoilerplate },
  ],
  withoutUpgrade: {
    versions: ['mongoose@5.13.22'],
    npm: /peerOptional mongoose@"[^"]*" from express-custom-user-data/,
    app: /mongoose 5\.13\.22 brings an older driver/,
  },
}

const WRONG = { email: 'ann@example.com', password: 'password2' }
/** The default of `loginThrottle: { accountAndAddressFailures }`. */
const ALLOWED_FAILURES = 10

/** The package issues the tokens, so the logout also ends the access tokens of the session, and failed logins are counted. */
async function visitReplaced(visit: Visit): Promise<void> {
  const { expect } = visit
  const { accessToken, refreshToken } = await visitBoilerplate(visit)
  await expect(401, 'GET', '/v1/custom-data', bearer(accessToken))
  await expect(401, 'POST', '/v1/auth/refresh-tokens', { json: { refreshToken } })

  for (let count = 0; count < ALLOWED_FAILURES; count += 1) {
    const { body } = await expect(401, 'POST', '/v1/auth/login', { json: WRONG })
    assert.equal(body.message, 'Incorrect email or password')
  }
  const { headers } = await expect(429, 'POST', '/v1/auth/login', { json: WRONG })
  assert.ok(Number(headers.get('Retry-After')) > 0)
}
