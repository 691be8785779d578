import type { Db } from 'mongodb'
import type { Page } from 'playwright-core'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { startExample } from '../support/run-example.js'
import { violationsOf } from './axe.js'

const PASSWORD = 'correct horse battery staple'

describeInChromium('the page of the App Services example', newProfile => {
  const example = {} as { url: string; db: Db; origin: string }
  const problems: string[] = []

  beforeAll(async () => {
    const cleanUps: (() => void | Promise<void>)[] = []
    const env = { PAGE_PORT: '0' }
    const started = await startExample('app-services/main.ts', env, cleanUp => cleanUps.push(cleanUp))
    const [, origin] = await started.example.printed(/^Open (http:\S+)$/m)
    Object.assign(example, { url: started.url, db: started.db, origin })
    return async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  })
  afterEach(() => expect(problems.splice(0)).toEqual([]))

  /** Opens the page in a browser of its own. A problem that Chromium tells fails the test, but for refused requests. */
  async function open({ colorScheme = 'light', width = 1280 }: Media = {}): Promise<Page> {
    const page = await (await newProfile()).newPage()
    page.on('pageerror', error => problems.push(error.message))
    page.on('console', message => {
      if (!/the server responded with a status of 40[13]/.test(message.text())) problems.push(message.text())
    })
    page.on('request', request => {
      if (![example.origin, example.url].includes(new URL(request.url()).origin)) problems.push(request.url())
    })
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme })
    await page.goto(example.origin)
    await page.waitForSelector('[data-state="ready"]')
    return page
  }

  it('shows stale custom data after a change, and takes the new theme at the refresh', async () => {
    const page = await open()
    await continueAnonymously(page)
    await expect.poll(() => page.textContent('#verdict')).toBe('Both are the same.')
    await page.check('[name="theme"][value="dark"]')
    await expect.poll(() => field(page, 'stored-data', 'theme')).toBe('dark')
    expect(await field(page, 'token-data', 'theme')).toBe('system')
    expect(await page.getAttribute('#verdict', 'data-state')).toBe('old')
    expect(await themeOf(page)).toBe('system')
    await page.click('#refresh')
    await expect.poll(() => field(page, 'token-data', 'theme')).toBe('dark')
    expect(await page.getAttribute('#verdict', 'data-state')).toBe('same')
    expect(await themeOf(page)).toBe('dark')
  })

  it('shows changes that others make, while they happen', async () => {
    const page = await open()
    await continueAnonymously(page)
    const owner_id = await field(page, 'user', 'id')
    let points = 100
    // The page cannot see when its stream stands, so the document changes until a change is shown.
    await expect
      .poll(async () => {
        await example.db
          .collection('custom_user_data')
          .updateOne({ owner_id }, { $set: { points: ++points } })
        return page.textContent('#changes')
      })
      .toMatch(/update \{"points":\d+\}/)
    await expect.poll(() => field(page, 'stored-data', 'points')).toBe(String(points))
  })

  it('lets a function change the points, and refuses the change by the page itself', async () => {
    const page = await open()
    await continueAnonymously(page)
    await page.click('#collect')
    await says(page, 'The function says that you have 1 points.')
    await page.click('#cheat')
    await expect.poll(() => page.getAttribute('#status', 'data-state')).toBe('refused')
    expect(await page.textContent('#status')).toContain('status 403')
    expect(await field(page, 'stored-data', 'points')).toBe('1')
  })

  it('asks the own route of the app with the access token of the client', async () => {
    const page = await open()
    await continueAnonymously(page)
    const id = await field(page, 'user', 'id')
    await page.click('#me')
    await says(page, `GET /me answers 200: {"id":"${id}","theme":"system","points":0}`)
  })

  it('keeps the id of an anonymous user who adds an account, through a reload and a login in another browser', async () => {
    const page = await open()
    await continueAnonymously(page)
    const id = await field(page, 'user', 'id')
    await page.fill('#link [name=email]', 'alice@example.com')
    await page.fill('#link [name=password]', PASSWORD)
    await page.click('#link button')
    await says(page, 'The user has an account now, and the same id as before.')
    expect(await field(page, 'user', 'identities')).toBe('anon-user, local-userpass')
    await page.reload()
    await expect.poll(() => field(page, 'user', 'id')).toBe(id)
    const elsewhere = await open()
    await logIn(elsewhere, 'alice@example.com', 'wrong password')
    await expect.poll(() => elsewhere.textContent('#status')).toContain('unauthorized')
    await logIn(elsewhere, 'alice@example.com', PASSWORD)
    await expect.poll(() => field(elsewhere, 'user', 'id')).toBe(id)
  })

  it('registers a user, logs out, and is logged out after a reload', async () => {
    const page = await open()
    await page.fill('#account [name=email]', 'bob@example.com')
    await page.fill('#account [name=password]', PASSWORD)
    await page.click('text="Register"')
    await says(page, 'Logged in by local-userpass.')
    await page.click('#log-out')
    await says(page, 'Logged out.')
    await page.reload()
    await page.waitForSelector('#anonymous')
    expect(await page.isVisible('#panels')).toBe(false)
  })

  it.each([
    ['light', 'light', 1280],
    ['dark', 'dark', 1280],
    ['at the width of a phone', 'light', 320],
    ['dark at the width of a phone', 'dark', 320],
  ] as const)('is usable by everybody, as far as axe can tell: %s', async (_title, colorScheme, width) => {
    const page = await open({ colorScheme, width })
    expect(await violationsOf(page)).toEqual([])
    await continueAnonymously(page)
    await page.check('[name="theme"][value="light"]')
    await expect.poll(() => page.getAttribute('#verdict', 'data-state')).toBe('old')
    expect(await violationsOf(page)).toEqual([])
    await page.click('#cheat')
    await expect.poll(() => page.getAttribute('#status', 'data-state')).toBe('refused')
    expect(await violationsOf(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
  })
})

interface Media {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
}

async function continueAnonymously(page: Page): Promise<void> {
  await page.click('#anonymous')
  await says(page, 'Logged in by anon-user.')
}

async function logIn(page: Page, email: string, password: string): Promise<void> {
  await page.fill('#account [name=email]', email)
  await page.fill('#account [name=password]', password)
  await page.click('text="Log in"')
}

/** Waits until the live region of the page tells an outcome. */
async function says(page: Page, text: string): Promise<void> {
  await expect.poll(() => page.textContent('#status')).toBe(text)
}

function field(page: Page, list: 'user' | 'token-data' | 'stored-data', name: string): Promise<string> {
  return page.locator(`#${list} [data-field="${name}"] dd`).innerText()
}

function themeOf(page: Page): Promise<string | undefined> {
  return page.evaluate(() => document.documentElement.dataset['theme'])
}
