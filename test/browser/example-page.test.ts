import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { startExample } from '../support/run-example.js'
import { saveLanguage, send, shownField, signIn, useExamplePage } from './example-page.js'

describeInChromium('the page of the server example', newProfile => {
  const example = useExamplePage(newProfile)

  it('shows that a request keeps the old data, and the next one after a refresh has the new data', async () => {
    const page = await example.open()
    await signIn(page)
    expect(await page.textContent('#verdict')).toBe('Language, timezone and role are as in the database')
    await saveLanguage(page, 'fr')
    expect(await page.textContent('#verdict')).toBe('Still old: language')
    expect([await send(page), await send(page)]).toEqual(['en', 'en'])
    expect(await page.textContent('#greeting')).toBe('Hello!')
    expect(await page.textContent('#answer-ms')).toMatch(/^in \d+\.\d ms, from the cache$/)
    await page.click('text="Refresh the token"')
    await expect.poll(() => page.textContent('#greeting')).toBe('Bonjour !')
    expect(await page.textContent('#verdict')).toMatch(/as in the database$/)
    expect(await send(page)).toBe('fr')
  })

  it('shows that a request follows a change with change streams', async () => {
    const page = await example.open()
    await signIn(page)
    await page.check('#change-streams')
    expect(await send(page)).toBe('en')
    expect(await page.textContent('#stream-state')).toBe('open')
    await saveLanguage(page, 'de')
    await expect.poll(() => send(page)).toBe('de')
    // The other instance still has the snapshot of the login.
    await page.uncheck('#change-streams')
    expect(await send(page)).toBe('en')
  })

  it('shows that each request reads with maxAgeMs 0', async () => {
    const page = await example.open()
    await signIn(page)
    await page.check('[name="max-age"][value="0"]')
    await saveLanguage(page, 'es')
    expect(await send(page)).toBe('es')
    expect(await page.textContent('#answer-ms')).toMatch(/from MongoDB$/)
    expect(await page.textContent('#age-text')).toMatch(/^\d s, read at each request$/)
  })

  it('sends one request each second, tells nothing of them by its live region, and stops with the switch', async () => {
    const page = await example.open()
    await signIn(page)
    const told = await page.textContent('#status')
    await page.check('#repeat')
    await expect.poll(() => page.locator('#plot rect').count()).toBe(3)
    expect(await page.textContent('#status')).toBe(told)
    await page.uncheck('#repeat')
    expect(await page.textContent('#plot title')).toMatch(/^The last 3 requests: 2 from the cache, 1 read/)
    await page.click('text="Send a request"')
    await expect.poll(() => page.textContent('#status')).not.toBe(told)
  })

  it('shows the age of the snapshot and the remaining life of the access token in moving bars', async () => {
    const page = await example.open()
    await signIn(page)
    await page.check('[name="max-age"][value="10s"]')
    const [age, life] = await Promise.all([valueOf(page, '#age'), valueOf(page, '#life')])
    expect(await page.getAttribute('#age', 'max')).toBe('10000')
    expect(life).toBeGreaterThan(1_700_000)
    await expect.poll(() => valueOf(page, '#age')).toBeGreaterThan(age)
    await expect.poll(() => valueOf(page, '#life')).toBeLessThan(life)
  })

  it('ends a session of another device, which disappears from the list and is over', async () => {
    // No other test has sessions of Bob.
    const [page, other] = [await example.open(), await example.open()]
    await signIn(page, 'bob')
    await signIn(other, 'bob')
    await page.click('text="Reload the list"')
    const sessions = page.locator('#sessions li')
    await expect.poll(() => sessions.count()).toBe(2)
    await page.locator('#sessions li:not(:has-text("this page")) >> text=End').first().click()
    await expect.poll(() => sessions.count()).toBe(1)
    expect(await sessions.textContent()).toContain('this page')
    await expect.poll(() => page.textContent('#status')).toBe('The session has ended. There is one session.')
    example.expectAnswers(400, 401)
    await other.click('text="Refresh the token"')
    await expect.poll(() => other.isVisible('#problem')).toBe(true)
    expect(await other.textContent('#problem')).toMatch(/^The session has ended\. Sign in again\./)
    expect(await other.isVisible('#sign-in')).toBe(true)
  })

  it('logs out, and then shows nothing of the user', async () => {
    const page = await example.open()
    await signIn(page)
    await page.click('text="Log out"')
    await expect.poll(() => page.textContent('#status')).toBe('Logged out.')
    expect(await page.isDisabled('#send')).toBe(true)
    for (const id of ['#seen', '#sessions', '#greeting']) expect(await page.textContent(id), id).toBe('')
  })

  it('says that Carol has no document, and creates one', async () => {
    const page = await example.open()
    await signIn(page, 'carol')
    expect(await page.textContent('#document')).toBe('no document{}')
    expect(await page.textContent('#seen')).toBe('no document{}')
    await saveLanguage(page, 'de')
    expect(await page.textContent('#verdict')).toBe('Still old: language, role')
  })

  it('shows curl lines that do the same, and copies them', async () => {
    const page = await example.open()
    const signedIn = page.waitForResponse(/\/auth\/login$/)
    await signIn(page)
    const tokens = (await (await signedIn).json()) as { access_token: string; refresh_token: string }
    const env = { ACCESS_TOKEN: tokens.access_token, REFRESH_TOKEN: tokens.refresh_token }
    expect(await runLine(page, '#curl-send', env)).toMatchObject({ greeting: 'Hello!', servedFrom: 'cache' })
    await page.selectOption('#role', 'admin')
    expect(await runLine(page, '#curl-edit', env)).toMatchObject({ document: { role: 'admin' } })
    await expect.poll(() => shownField(page, '#document', 'role')).toBe('"admin"')
    expect(await runLine(page, '#curl-sessions', env)).toContainEqual(
      expect.objectContaining({ current: true }),
    )
    expect(await runLine(page, '#curl-refresh', env)).toMatchObject({ token_type: 'Bearer' })
    expect(await runLine(page, '#curl-sign-in', {})).toMatchObject({ token_type: 'Bearer' })
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.click('#curl-send button')
    await expect.poll(() => page.textContent('#curl-send button')).toMatch(/^Copied/)
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      await page.textContent('#curl-send code'),
    )
    expect(await runLine(page, '#sessions li:has-text("this page") .curl', env)).toBe('')
    expect(await runLine(page, '#curl-log-out', env)).toBe('')
  })

  it('quotes values for the shell, and has no token in its text', async () => {
    const page = await example.open()
    const signedIn = page.waitForResponse(/\/auth\/login$/)
    await signIn(page)
    const tokens = (await (await signedIn).json()) as { access_token: string; refresh_token: string }
    await page.fill('#timezone', 'x\'; echo "$HOME" `id` \'')
    const answer = await runLine(page, '#curl-edit', {})
    expect(answer).toMatchObject({ status: 400, detail: expect.stringMatching(/^timezone: write a name/) })
    const markup = await page.content()
    for (const token of [tokens.access_token, tokens.refresh_token]) expect(markup).not.toContain(token)
    for (const storage of ['localStorage', 'sessionStorage'] as const) {
      expect(await page.evaluate(name => window[name].length, storage)).toBe(0)
    }
  })

  it('shows no answer that comes after a logout', async () => {
    const page = await example.open()
    await signIn(page)
    await page.route(/\/demo\/me\//, async route => {
      const answer = await route.fetch()
      await page.click('text="Log out"')
      await expect.poll(() => page.textContent('#status')).toBe('Logged out.')
      await route.fulfill({ response: answer })
    })
    const read = page.waitForResponse(/\/demo\/me\//)
    await page.click('text="Send a request"')
    await read
    await page.waitForResponse(/\/demo\/documents\//)
    expect(await page.textContent('#seen')).toBe('')
    expect(await page.textContent('#verdict')).toBe('Sign in, then send a request.')
  })

  it('refreshes and logs out by a cookie, if the server keeps refresh tokens there', async () => {
    const { url } = await startExample('server/main.ts', {
      REFRESH_TOKEN_TRANSPORT: 'cookie',
      DEMO_PAGE: 'on',
    })
    const page = await (await newProfile()).newPage()
    await page.goto(url)
    await page.waitForSelector('#document .field')
    await signIn(page)
    expect(await page.textContent('#curl-refresh code')).toBe(
      `curl -s -X POST ${url}/auth/refresh -b cookies.txt -c cookies.txt`,
    )
    await saveLanguage(page, 'fr')
    await page.click('text="Refresh the token"')
    await expect.poll(() => page.textContent('#greeting')).toBe('Bonjour !')
    await page.click('text="Log out"')
    await expect.poll(() => page.textContent('#status')).toBe('Logged out.')
    expect(await page.context().cookies()).toEqual([])
  })

  it('shows why a document is not saved, and keeps what was typed', async () => {
    const page = await example.open()
    example.expectAnswers(400)
    await page.fill('#timezone', 'not a zone')
    await page.click('text="Save the document"')
    await expect.poll(() => page.textContent('#edit-error')).toMatch(/^timezone: write a name/)
    expect(await page.inputValue('#timezone')).toBe('not a zone')
    expect(await shownField(page, '#document', 'timezone')).toBe('"Europe/London"')
  })

  it('follows what other programs write, and shows markup in a document as text', async () => {
    const page = await example.open()
    const language = '<img src=x onerror=alert(1)>'
    await example.db.collection('custom_user_data').updateOne({ role: 'member' }, { $set: { language } })
    await expect.poll(() => shownField(page, '#document', 'language')).toBe(JSON.stringify(language))
    expect(await page.locator('dl img').count()).toBe(0)
  })

  it('runs no script and loads no image that the server did not send', async () => {
    const page = await example.open()
    const violations = await page.evaluate(async () => {
      const found: string[] = []
      addEventListener('securitypolicyviolation', event => found.push(event.effectiveDirective))
      const script = document.createElement('script')
      document.body.append(script)
      try {
        script.text = 'window.hacked = true'
      } catch {
        found.push('trusted types')
      }
      const image = document.createElement('img')
      image.src = 'http://foreign.test/'
      document.body.append(image)
      await new Promise(resolve => (image.onerror = resolve))
      return found
    })
    expect(violations).toEqual(expect.arrayContaining(['trusted types', 'img-src']))
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
    example.forgetProblems()
  })
})

/** Runs a curl line of the page in a shell. Resolves to the parsed answer, or to an empty text. */
async function runLine(page: Page, container: string, env: Record<string, string>): Promise<unknown> {
  const line = (await page.textContent(`${container} code`))!
  expect(line).toMatch(/^curl -s /)
  const { stdout } = await promisify(execFile)('sh', ['-c', line], {
    env: { PATH: process.env['PATH'], ...env },
  })
  return stdout === '' ? '' : (JSON.parse(stdout) as unknown)
}

function valueOf(page: Page, meter: string): Promise<number> {
  return page.locator(meter).evaluate(element => (element as HTMLMeterElement).value)
}
