import { CustomUserDataError } from '../errors.js'

/** Variables of the environment that test runners set: Jest, Vitest and `node --test`. */
const TEST_RUNNERS = ['JEST_WORKER_ID', 'VITEST', 'NODE_TEST_CONTEXT']

let hasWarned = false

/**
 * Refuses to work in production, where a route behind `asUser()` would be open to everybody.
 *
 * @throws `testing_in_production` if `NODE_ENV` is `production`
 */
export function refuseProduction(): void {
  if (process.env['NODE_ENV'] !== 'production') return
  throw new CustomUserDataError(
    'testing_in_production',
    'express-custom-user-data/testing was loaded with NODE_ENV=production. It signs in users without a password, so it is for ' +
      'tests alone. Remove its import from the code of your app. If this is a test, run it with NODE_ENV=test.',
  )
}

/**
 * Refuses production, and prints one warning if no test runner is known to run this process: many servers run without a
 * `NODE_ENV`.
 */
export function requireTestRun(callee: string): void {
  refuseProduction()
  const { env } = process
  if (hasWarned || env['NODE_ENV'] === 'test' || TEST_RUNNERS.some(name => env[name] !== undefined)) return
  hasWarned = true
  process.emitWarning(
    `${callee} of express-custom-user-data/testing signs in users without a password. Never use it in an app that others ` +
      'can reach. To silence this warning in tests, set NODE_ENV=test.',
    { type: 'CustomUserDataWarning', code: 'testing_outside_tests' },
  )
}
