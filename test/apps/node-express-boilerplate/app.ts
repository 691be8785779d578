import type { App } from '../app.js'
import { REPLACED, visitBoilerplate, visitReplaced } from '../boilerplate-requests.js'

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
    { name: 'full', replaced: REPLACED, requests: visitReplaced },
    { name: 'attach', requests: visitBoilerplate },
  ],
  withoutUpgrade: {
    versions: ['mongoose@5.13.22'],
    npm: /peerOptional mongoose@"[^"]*" from express-custom-user-data/,
    app: /mongoose 5\.13\.22 brings an older driver/,
  },
}
