import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { startExample } from '../support/run-example.js'

const PASSWORD = 'correct horse battery staple'

describeInChromium('the example of a page on another origin', newProfile => {
  async function start(): Promise<{ page: Page; api: string }> {
    const { url: api, example } = await startExample('browser-two-origins/main.ts', { PAGE_PORT: '0' })
    const [, origin] = await example.printed(/^Open (http:\S+)$/m)
    const page = await (await newProfile()).newPage()
    await page.goto(origin!)
    await shows(page, 'logged out')
    return { page, api }
  }

  it('logs in, changes settings by their tag, and is still logged in after a reload', async () => {
    const { page } = await start()
    await logIn(page, 'wrong')
    await shows(page, '401 ')
    await logIn(page, PASSWORD)
    await shows(page, '200 fr')
    await page.fill('[name=language]', 'de')
    await page.click('#settings button')
    await shows(page, '200 de')
    await page.reload()
    await shows(page, '200 de')
    await page.click('#logout')
    await shows(page, '204')
    await page.reload()
    await shows(page, 'logged out')
  })

  it('lets two pages of one user not undo the changes of each other', async () => {
    const { page } = await start()
    await logIn(page, PASSWORD)
    await shows(page, '200 fr')
    const other = await page.context().newPage()
    await other.goto(page.url())
    await shows(other, '200 fr')
    for (const [at, text, shown] of [
      [page, 'de', '200 de'],
      // The page shows what the other page has stored, and the next change goes through.
      [other, 'es', '412 de'],
      [other, 'es', '200 es'],
      [page, 'it', '412 es'],
    ] as const) {
      await at.fill('[name=language]', text)
      await at.click('#settings button')
      await shows(at, shown)
    }
  })

  it('lets scripts read the headers of refusals, and no page of a third origin read anything', async () => {
    const { page, api } = await start()
    const read = (at: Page) =>
      at.evaluate(async url => {
        try {
          const answer = await fetch(url, { method: 'PATCH', headers: { 'If-Match': '"a"' } })
          return [answer.status, answer.headers.get('WWW-Authenticate')]
        } catch (error) {
          return (error as Error).name
        }
      }, `${api}/me/settings`)
    expect(await read(page)).toEqual([401, 'Bearer realm="api"'])
    const stranger = await (await newProfile()).newPage()
    // The page of the API's own port by another name is a third origin.
    await stranger.goto(page.url().replace('127.0.0.1', 'localhost.test'))
    expect(await read(stranger)).toBe('TypeError')
  })
})

async function logIn(page: Page, password: string): Promise<void> {
  await page.fill('[name=password]', password)
  await page.click('#login button')
}

/** Waits until the page shows a result. */
async function shows(page: Page, text: string): Promise<void> {
  await expect.poll(() => page.textContent('output'), { timeout: 10_000 }).toBe(text)
}
