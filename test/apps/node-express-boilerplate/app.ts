import type { App } from '../app.js'
import { visitBoilerplate } from '../boilerplate-requests.js'

/** CommonJS, mongoose 5, Jest 26, passport-jwt. */
export const nodeExpressBoilerplate: App = {
  name: 'node-express-boilerplate',
  source: {
    repository: 'hagopj13/node-express-boilerplate',
    commit: '179ae84efec61b14206d0305d941daed6c6d07f9',
  },
  env: () => ({ JWT_SECRET: 'a secret of 32 bytes, for the tests of apps' }),
  tests: { runner: 'jest', command: ['jest', '--runInBand'], failing: [] },
  start: ['node', 'src/index.js'],
  ways: [{ name: 'attach', requests: visitBoilerplate }],
  withoutUpgrade: {
    versions: ['mongoose@5.13.22'],
    npm: /peerOptional mongoose@"[^"]*" from express-custom-user-data/,
    app: /mongoose 5\.13\.22 brings an older driver/,
  },
}
