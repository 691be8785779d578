import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import type { TestProjectInlineConfiguration } from 'vitest/config'
import { chosenDriver, driverPackage, exclusionsOf } from './test/drivers/drivers.js'
import type { DriverName } from './test/drivers/drivers.js'

const ownName = {
  find: /^express-custom-user-data$/,
  replacement: fileURLToPath(new URL('lib/index.ts', import.meta.url)),
}

/** What runs in processes of its own, which no alias reaches, brings the peers it names. */
const IN_OWN_PROCESSES = ['test/package/**', 'test/examples/**', 'test/sessions-load/**']

const driver = chosenDriver()

/** Both ends of the peer ranges run the same tests; the oldest are installed under other names. */
export default defineConfig({
  test: {
    projects: driver ? [driverProject(driver)] : peerRange(),
    // Here and not in the projects: one MongoDB serves both.
    globalSetup: 'test/support/global-setup.ts',
    // The default leaves one core to a watcher that is not there; mongod is mostly idle.
    maxWorkers: '100%',
    reporters: ['default'],
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      thresholds: { lines: 90, branches: 85, functions: 90, statements: 90 },
    },
  },
})

function peerRange(): TestProjectInlineConfiguration[] {
  const oldest = [
    { find: /^express$/, replacement: 'express4' },
    { find: /^mongodb$/, replacement: 'mongodb6' },
    { find: /^passport$/, replacement: 'passport6' },
  ]
  return [project('newest', []), project('oldest', oldest, IN_OWN_PROCESSES)]
}

/** The same tests with one driver, without those that the driver cannot pass: `npm run test:drivers` prints which, and why. */
function driverProject(driver: DriverName): TestProjectInlineConfiguration {
  const alias = { find: /^mongodb$/, replacement: driverPackage(driver) }
  const { test, ...others } = project(driver, [alias], IN_OWN_PROCESSES)
  const excluded = exclusionsOf(driver).flatMap(({ tests }) => tests)
  const testNamePattern = new RegExp(`^(?!.*(?:${excluded.join('|')}))`)
  return { ...others, test: { ...test, ...(excluded.length > 0 && { testNamePattern }) } }
}

function project(
  name: string,
  peers: { find: RegExp; replacement: string }[],
  notHere: string[] = [],
): TestProjectInlineConfiguration {
  return {
    resolve: { alias: [ownName, ...peers] },
    test: {
      name,
      include: ['test/**/*.test.ts'],
      exclude: [...configDefaults.exclude, 'test/consumers/**', ...notHere],
      pool: 'forks',
      testTimeout: 20_000,
      hookTimeout: 20_000,
      // Until something happens on a machine that may stand still for a while; the default is a second.
      expect: { poll: { timeout: 15_000, interval: 10 } },
    },
  }
}
