import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'

/**
 * The Chromium of the machine: `CHROMIUM_PATH`, or the program `chromium` on the PATH, as Debian's package installs it.
 * playwright-core downloads no browser.
 */
const executablePath = process.env['CHROMIUM_PATH'] ?? onPath('chromium')

const FLAGS = [
  // The root user of a container has no sandbox.
  '--no-sandbox',
  // Every name that a test makes up is this machine. A browser that cannot reach other hosts cannot send them anything.
  '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/**
 * A `describe` whose tests run in headless Chromium. `newProfile()` opens a browser profile of its own, with its own
 * cookies and cache, which is closed after the test. Names that end with `.test` or `.localhost` are this machine, and a
 * certificate that nobody signed is accepted. Without a Chromium the tests are skipped, and a line says so.
 */
export function describeInChromium(
  name: string,
  tests: (newProfile: () => Promise<BrowserContext>) => void,
): void {
  if (executablePath === undefined) {
    console.log(
      `Skipped "${name}": no Chromium. Install Debian's package chromium, or set CHROMIUM_PATH to the program.`,
    )
  }
  describe.skipIf(executablePath === undefined)(name, () => {
    let browser: Browser
    const profiles: BrowserContext[] = []

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: executablePath!, args: FLAGS })
    })
    afterEach(async () => {
      await Promise.all(profiles.splice(0).map(profile => profile.close()))
    })
    afterAll(() => browser.close())

    tests(async () => {
      const profile = await browser.newContext({ ignoreHTTPSErrors: true })
      profiles.push(profile)
      return profile
    })
  })
}

function onPath(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map(folder => join(folder, program)).find(path => existsSync(path))
}
