import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import type { TestProjectInlineConfiguration } from 'vitest/config'
import { chosenDriver, driverPackage, exclusionsOf } from './test/drivers/drivers.js'
import type { DriverName } from './test/drivers/drivers.js'

type Alias = Readonly<{ find: RegExp; replacement: string }>

const OWN_NAMES: readonly Alias[] = [
  { find: /^express-custom-user-data$/, replacement: source('index.ts') },
  { find: /^express-custom-user-data\/global$/, replacement: source('global.ts') },
  { find: /^express-custom-user-data\/app-services$/, replacement: source('app-services/index.ts') },
  { find: /^express-custom-user-data\/testing$/, replacement: source('testing/index.ts') },
]

/** The lowest versions that the peer ranges allow. They are installed under other names. */
const OLDEST_PEERS: readonly Alias[] = [
  { find: /^express$/, replacement: 'express4' },
  { find: /^mongodb$/, replacement: 'mongodb6' },
  { find: /^passport$/, replacement: 'passport4' },
]

/**
 * Tests of programs that run in processes of their own, a browser among them, and of the frameworks that apps use. Running
 * them once with the installed peers is enough. `npm test` leaves them out because they take minutes.
 */
const PROGRAMS = {
  examples: 'test/examples/**/*.test.ts',
  consumers: 'test/package/**/*.test.ts',
  frameworks: 'test/frameworks/**/*.test.ts',
  load: 'test/sessions-load/**/*.test.ts',
  docs: 'test/docs/**/*.test.ts',
  deploys: 'test/sessions/rolling-deploys.test.ts',
  browser: 'test/browser/**/*.test.ts',
}

/** Tests of code that no version of a peer can change. The project `oldest` leaves them out, because `newest` has them. */
const WITHOUT_PEERS = [
  'test/{access-tokens,all,bench,cli,fuzz,support,util,vectors}/**',
  'test/flows/replaced-globals.test.ts',
  'test/login/argon2.test.ts',
  'test/snapshots/snapshot-cache.test.ts',
  // They reach MongoDB only through the instance, and Express through the router, which other tests run with old versions.
  'test/app-services/{collections,functions,rules,triggers}/**',
]

/** Tests that the environment variable `SHORT_BROWSER_TESTS` leaves out, because they take a minute. */
const LONG_BROWSER_TESTS = 'test/browser/example-page-errors.test.ts'

const driver = chosenDriver()

export default defineConfig({
  test: {
    projects: driver ? [driverProject(driver)] : allProjects(),
    // Set here and not in the projects, so that all of them share one MongoDB.
    globalSetup: 'test/support/global-setup.ts',
    // By default vitest leaves one core free for its watcher, which does not run here.
    maxWorkers: '100%',
    reporters: ['default'],
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      thresholds: { lines: 95, branches: 95, functions: 95, statements: 95 },
    },
  },
})

function allProjects(): TestProjectInlineConfiguration[] {
  const leftOut = process.env['SHORT_BROWSER_TESTS'] === undefined ? [] : [LONG_BROWSER_TESTS]
  const programs = Object.entries(PROGRAMS).map(([name, include]) => project(name, [], [include], leftOut))
  const oldest = behaviourProject('oldest', OLDEST_PEERS, WITHOUT_PEERS)
  return [behaviourProject('newest', []), oldest, ...programs]
}

/** Runs the behaviour tests with one driver, without the tests that this driver cannot pass. */
function driverProject(name: DriverName): TestProjectInlineConfiguration {
  const { test, ...others } = behaviourProject(name, [
    { find: /^mongodb$/, replacement: driverPackage(name) },
  ])
  const excluded = exclusionsOf(name).flatMap(({ tests }) => tests)
  const testNamePattern = new RegExp(`^(?!.*(?:${excluded.join('|')}))`)
  return { ...others, test: { ...test, ...(excluded.length > 0 && { testNamePattern }) } }
}

function behaviourProject(
  name: string,
  peers: readonly Alias[],
  leftOut: readonly string[] = [],
): TestProjectInlineConfiguration {
  return project(name, peers, ['test/**/*.test.ts'], [...Object.values(PROGRAMS), ...leftOut])
}

function project(
  name: string,
  peers: readonly Alias[],
  include: string[],
  exclude: string[] = [],
): TestProjectInlineConfiguration {
  return {
    resolve: { alias: [...OWN_NAMES, ...peers] },
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, 'test/consumers/**', ...exclude],
      pool: 'forks',
      // These limits only end tests that hang, because a busy machine may be ten times slower than an idle one.
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // expect.poll waits this long. The default of one second is too short for a busy machine.
      expect: { poll: { timeout: 30_000, interval: 10 } },
    },
  }
}

function source(file: string): string {
  return fileURLToPath(new URL(`lib/${file}`, import.meta.url))
}
