/**
 * Writes the pictures of the page of the server example to docs/images/: `npm run docs:screenshots`. The example runs on a
 * MongoDB of its own, and each picture shows the same steps of a user. Needs Debian's `chromium` or `CHROMIUM_PATH`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { ROOT } from '../reference/read.js'
import { toPalettePng } from './palette-png.js'

/** The browser that the list of sessions names. */
const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36'

/** The space below the last section. */
const MARGIN = 16

/** A picture, and what the user does before it is taken. */
interface Picture {
  readonly name: string
  readonly width: number
  readonly colorScheme: 'light' | 'dark'
  readonly steps: (page: Page) => Promise<void>
  /** The last section that the picture shows. Without one it shows the whole page. */
  readonly until?: string
}

const PICTURES: readonly Picture[] = [
  { name: 'example-light', width: 1120, colorScheme: 'light', steps: keepOldData },
  { name: 'example-dark', width: 1120, colorScheme: 'dark', steps: followByChangeStreams },
  {
    name: 'example-phone',
    width: 390,
    colorScheme: 'light',
    steps: keepOldData,
    until: '[aria-labelledby="request-title"]',
  },
]

/** The document has changed, and the requests with the token of before do not see it. */
async function keepOldData(page: Page): Promise<void> {
  await page.uncheck('#show-curl')
  await signIn(page)
  await sendRequests(page, 18)
  await saveLanguage(page, 'fr')
  await sendRequests(page, 8)
}

/** Change streams let the first request after each change read again. */
async function followByChangeStreams(page: Page): Promise<void> {
  await page.check('#change-streams')
  await signIn(page)
  for (const language of ['fr', 'es']) {
    await sendRequests(page, 9)
    await saveLanguage(page, language)
    while ((await page.getAttribute('#verdict', 'data-state')) !== 'same') await sendRequests(page, 1)
  }
  await sendRequests(page, 5)
}

async function signIn(page: Page): Promise<void> {
  await page.click('text="Sign in"')
  await page.waitForSelector('#seen .field')
}

async function sendRequests(page: Page, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const answered = page.waitForResponse(/\/demo\/documents\//)
    await page.click('#send')
    await answered
  }
}

async function saveLanguage(page: Page, language: string): Promise<void> {
  await page.selectOption('#language', language)
  await page.click('text="Save the document"')
  await page.waitForSelector(`#document [data-field="language"]:has-text(${JSON.stringify(language)})`)
}

async function takePicture(
  browser: Browser,
  { name, width, colorScheme, steps, until = 'body' }: Picture,
): Promise<void> {
  const example = spawn(process.execPath, ['--import', 'tsx', 'examples/server/main.ts'], {
    cwd: ROOT,
    env: { ...process.env, MONGODB_URI: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(example, 'exit')
  try {
    const page = await browser.newPage({
      colorScheme,
      viewport: { width, height: 800 },
      userAgent: USER_AGENT,
    })
    await page.goto(await addressOf(example.stdout))
    await page.waitForSelector('#curl-edit code')
    await steps(page)
    // No control has the focus or is below the mouse.
    await page.evaluate('document.activeElement.blur()')
    await page.mouse.move(0, 0)
    await page.evaluate('scrollTo(0, 0)')
    const { y, height } = (await page.locator(until).boundingBox())!
    const png = await page.screenshot({
      fullPage: true,
      clip: { x: 0, y: 0, width, height: y + height + MARGIN },
    })
    writeFileSync(`${ROOT}docs/images/${name}.png`, toPalettePng(await decode(browser, png)))
    await page.close()
  } finally {
    example.kill()
    await exited
  }
}

/** Resolves to the address that the example prints. */
async function addressOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(output)) {
    const [, address] = /^Listening on (\S+)$/.exec(line) ?? []
    if (address !== undefined) return address
  }
  throw new Error('The example has ended before it could serve. Its output says why.')
}

/** Lets the browser decode its picture. */
async function decode(browser: Browser, png: Buffer) {
  const page = await browser.newPage()
  const [width, height, bytes] = await page.evaluate<[number, number, string]>(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png.toString('base64')}'
    await image.decode()
    const { width, height } = image
    const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')
    context.drawImage(image, 0, 0)
    let bytes = ''
    for (const byte of context.getImageData(0, 0, width, height).data) bytes += String.fromCharCode(byte)
    return [width, height, btoa(bytes)]
  })()`)
  await page.close()
  return { width, height, data: Buffer.from(bytes, 'base64') }
}

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
try {
  for (const picture of PICTURES) await takePicture(browser, picture)
} finally {
  await browser.close()
}
