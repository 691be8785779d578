import type { App, Command } from '../app.js'
import { REPLACED, visitBoilerplate, visitReplaced } from '../boilerplate-requests.js'

const TSC: Command = ['tsc', '--noEmit', '--project', '.']

/** TypeScript with its own `Request.user`, ts-jest, mongoose 7, passport-jwt. */
export const nodeExpressMongooseTypescriptBoilerplate: App = {
  name: 'node-express-mongoose-typescript-boilerplate',
  source: {
    repository: 'saisilinus/node-express-mongoose-typescript-boilerplate',
    commit: '278143db5b01d5281649a968c18b40ae709f2ec7',
  },
  env: () => ({
    JWT_SECRET: 'thisisasamplesecret',
    CLIENT_URL: 'http://localhost:5000',
    ACCESS_TOKEN_SECRET: '4Yq2mXv8rTn0LwZc6bHs1KdPjEuGfAoI',
  }),
  tests: {
    runner: 'jest',
    // The compiled tests are in a folder that is not there.
    command: [
      'node',
      '--experimental-vm-modules',
      'node_modules/.bin/jest',
      '--runInBand',
      '--testPathPattern',
      'ts$',
    ],
    failing: [],
  },
  // Its compiled files import without endings, which Node.js 18 allowed by a flag.
  start: ['tsx', 'src/index.ts'],
  ways: [
    { name: 'full', replaced: REPLACED, checks: [TSC], requests: visitReplaced },
    { name: 'attach', checks: [TSC], requests: visitBoilerplate },
  ],
  withoutUpgrade: {
    // The lowest version of the app's range ^7.0.2. Its yarn.lock has 7.8.4, which is supported.
    versions: ['mongoose@7.0.2'],
    app: /mongoose 7\.0\.2 brings mongodb 5\.1/,
  },
}
