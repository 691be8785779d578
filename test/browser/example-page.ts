import type { Db } from 'mongodb'
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { startExample } from '../support/run-example.js'

/** The page of the server example, which runs on a database of its own. */
export interface ExamplePage {
  readonly url: string
  readonly db: Db
  /** Opens the page in a profile of its own, and waits until it shows Alice's document. */
  readonly open: (options?: Parameters<Page['emulateMedia']>[0] & { width?: number }) => Promise<Page>
  /** Lets the test cause answers of these kinds, which Chromium writes to the console as errors. */
  readonly expectAnswers: (...statuses: number[]) => void
  /** For a test that attacks the page. */
  readonly forgetProblems: () => void
}

const ALICE = { language: 'en', timezone: 'Europe/London', role: 'member' }

/**
 * Starts the example for the tests of a block. After each test it fails if the page sent a request to another origin, wrote
 * to the console, or met its Content Security Policy.
 */
export function useExamplePage(newProfile: () => Promise<BrowserContext>): ExamplePage {
  const shared = {} as { url: string; db: Db }
  const problems: string[] = []
  const expected: number[] = []

  beforeAll(async () => {
    const cleanUps: (() => void | Promise<void>)[] = []
    const env = { DEMO_PAGE: 'on' }
    Object.assign(shared, await startExample('server/main.ts', env, cleanUp => cleanUps.push(cleanUp)))
    return async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }
  })
  beforeEach(async () => {
    const alice = await shared.db.collection('users').findOne({ email: 'alice@example.com' })
    await shared.db
      .collection('custom_user_data')
      .updateOne({ userId: alice!._id.toHexString() }, { $set: ALICE })
  })
  afterEach(() => {
    expected.splice(0)
    expect(problems.splice(0)).toEqual([])
  })

  async function open({ width = 1280, ...media }: Parameters<ExamplePage['open']>[0] = {}): Promise<Page> {
    const page = await (await newProfile()).newPage()
    page.on('request', request => {
      if (new URL(request.url()).origin !== shared.url) problems.push(`asked ${request.url()}`)
    })
    page.on('pageerror', error => problems.push(error.message))
    page.on('console', message => {
      const [, status] = /the server responded with a status of (\d+)/.exec(message.text()) ?? []
      if (!expected.includes(Number(status))) problems.push(message.text())
    })
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia(media)
    await page.goto(shared.url)
    await page.waitForSelector('#document [data-field="language"]')
    return page
  }

  return {
    get url() {
      return shared.url
    },
    get db() {
      return shared.db
    },
    open,
    expectAnswers: (...statuses) => void expected.push(...statuses),
    forgetProblems: () => void problems.splice(0),
  }
}

/** Signs in, and waits until the page shows what the first request saw. */
export async function signIn(page: Page, user = 'alice'): Promise<void> {
  await page.check(`[name="user"][value="${user}"]`)
  await page.click('text="Sign in"')
  await page.waitForSelector('#seen .field')
}

/** Chooses another language in the form, and saves the document. */
export async function saveLanguage(page: Page, language: string): Promise<void> {
  await page.selectOption('#language', language)
  await page.click('text="Save the document"')
  await expect.poll(() => shownField(page, '#document', 'language')).toBe(JSON.stringify(language))
}

/** Sends one request by the button. Resolves to the language that it saw, once the page shows it. */
export async function send(page: Page): Promise<string> {
  const answers = page.locator('#plot rect')
  const before = await answers.count()
  await page.click('text="Send a request"')
  await expect.poll(() => answers.count()).toBe(before + 1)
  // Behind the value there may be the mark of an old one.
  const shown = page.locator('#seen [data-field="language"] dd')
  return JSON.parse(await shown.evaluate(({ firstChild }) => firstChild!.textContent!)) as string
}

/** Clicks a control by script, which does nothing while it is disabled. */
export async function clickIfEnabled(page: Page, selector: string): Promise<void> {
  await page.locator(selector).evaluate(element => {
    ;(element as HTMLElement).click()
  })
}

export function shownField(page: Page, list: '#document' | '#seen', name: string): Promise<string | null> {
  return page.textContent(`${list} [data-field="${name}"] dd`)
}
