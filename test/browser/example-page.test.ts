import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
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
    expect(await page.textContent('#verdict')).toBe('Not asked again yet. Changed since: language')
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

  it('sends one request each second, and tells nothing of them by its live region', async () => {
    const page = await example.open()
    await signIn(page)
    const told = await page.textContent('#status')
    await page.check('#repeat')
    await expect.poll(() => page.locator('#plot rect').count()).toBeGreaterThan(2)
    expect(await page.textContent('#status')).toBe(told)
    await page.uncheck('#repeat')
    expect(await page.textContent('#plot title')).toMatch(
      /^The last \d+ requests: \d+ from the cache, 1 read/,
    )
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
    expect(await page.textContent('#verdict')).toBe('Not asked again yet. Changed since: language, role')
  })

  it.each(['bash', 'zsh'])('copies curl lines that do the same, pasted in order into %s', async shell => {
    if (!(await isInstalled(shell))) {
      console.log(`Not tested in ${shell}: this machine does not have it.`)
      return
    }
    const page = await example.open()
    await signIn(page)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.selectOption('#role', 'admin')
    const lines: string[] = []
    for (const container of ['sign-in', 'send', 'edit', 'sessions', 'refresh', 'send', 'log-out']) {
      await page.click(`#curl-${container} button`)
      await expect.poll(() => page.textContent(`#curl-${container} button`)).toMatch(/^Copied/)
      lines.push(await page.evaluate(() => navigator.clipboard.readText()))
    }
    const [signedIn, first, saved, sessions, refreshed, second, loggedOut] = await runLines(shell, lines)
    expect([signedIn, refreshed, loggedOut]).toEqual(['', '', ''])
    expect(JSON.parse(first!)).toMatchObject({ greeting: 'Hello!', servedFrom: 'MongoDB' })
    expect(JSON.parse(saved!)).toMatchObject({ document: { role: 'admin' } })
    expect(JSON.parse(sessions!)).toContainEqual(expect.objectContaining({ current: true }))
    // The refresh has set another access token.
    expect(JSON.parse(second!)).toMatchObject({ customData: { role: 'admin' } })
  })

  it('has a curl line for the end of each session', async () => {
    const page = await example.open()
    await signIn(page)
    const lines = [
      (await page.textContent('#curl-sign-in code'))!,
      (await page.textContent('#sessions li:has-text("this page") .curl code'))!,
    ]
    const sessions = page.locator('#sessions li:has-text("this page")')
    expect(await sessions.count()).toBe(1)
    expect(await runLines('sh', lines)).toEqual(['', ''])
    example.expectAnswers(401)
    await page.click('text="Reload the list"')
    await expect.poll(() => page.textContent('#sessions-hint')).toMatch(/^The session of this page has ended/)
  })

  it('quotes values for the shell, and has no token in its text', async () => {
    const page = await example.open()
    const signedIn = page.waitForResponse(/\/auth\/login$/)
    await signIn(page)
    const tokens = (await (await signedIn).json()) as { access_token: string; refresh_token: string }
    await page.fill('#timezone', 'x\'; echo "$HOME" `id` \'')
    const [answer] = await runLines('sh', [(await page.textContent('#curl-edit code'))!])
    expect(JSON.parse(answer!)).toMatchObject({
      status: 400,
      detail: expect.stringMatching(/^timezone: write a name/),
    })
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
      `tokens=$(curl -fsS -X POST ${url}/auth/refresh -b cookies.txt -c cookies.txt) &&\n` +
        `ACCESS_TOKEN=$(node -p 'JSON.parse(process.argv[1]).access_token' "$tokens")`,
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

/** Runs lines in one shell, as if they were pasted one after the other. Resolves to the output of each. */
async function runLines(shell: string, lines: readonly string[]): Promise<string[]> {
  const end = '=== the end of a line ==='
  const script = lines.map(line => `${line}\necho '${end}'`).join('\n')
  const env = { PATH: process.env['PATH'], HOME: tmpdir() }
  const { stdout, stderr } = await promisify(execFile)(shell, ['-c', script], { env, cwd: tmpdir() })
  expect(stderr).toBe('')
  return stdout.split(`${end}\n`).slice(0, -1)
}

function isInstalled(shell: string): Promise<boolean> {
  return promisify(execFile)(shell, ['-c', 'exit 0']).then(
    () => true,
    () => false,
  )
}

function valueOf(page: Page, meter: string): Promise<number> {
  return page.locator(meter).evaluate(element => (element as HTMLMeterElement).value)
}
