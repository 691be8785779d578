import type { Page, Route } from 'playwright-core'
import { expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { clickIfEnabled, saveLanguage, send, shownField, signIn, useExamplePage } from './example-page.js'

const REQUESTS = /\/demo\/me\//

describeInChromium('the page of the server example, if a request fails,', newProfile => {
  const example = useExamplePage(newProfile)

  it('shows the refusal until the next answer, asks to sign in again, and sends no more requests', async () => {
    const page = await example.open()
    example.expectAnswers(401)
    await signIn(page)
    await page.check('#repeat')
    await page.route(REQUESTS, presentAnotherToken)
    await expect.poll(() => page.getAttribute('#verdict', 'data-state')).toBe('refused')
    await documentIsReadAgain(page)
    expect(await page.textContent('#verdict')).toMatch(
      /Sign in again\. “One each second” has stopped, because each request would be refused\.$/,
    )
    expect(await page.getAttribute('#verdict', 'data-state')).toBe('refused')
    expect(await page.isChecked('#repeat')).toBe(false)
    expect(await page.textContent('#problem')).toMatch(/^A request was refused\. .+ Sign in again\.$/)
    expect(await page.isVisible('#sign-in')).toBe(true)
    for (const id of ['#seen', '#sessions', '#greeting']) expect(await page.textContent(id), id).toBe('')
    expect(await page.textContent('#plot title')).toBe('No requests yet.')
    expect(await page.textContent('#plot-scale')).toBe('No requests yet.')
    await page.unroute(REQUESTS)
    await signIn(page)
    expect(await page.textContent('#verdict')).toMatch(/as in the database$/)
    expect(await page.isVisible('#problem')).toBe(false)
  })

  it('shows until the next answer that the server did not answer, and stays signed in', async () => {
    const page = await example.open()
    await signIn(page)
    await page.route(REQUESTS, route => route.abort())
    await page.click('text="Send a request"')
    await expect.poll(() => page.getAttribute('#verdict', 'data-state')).toBe('refused')
    await documentIsReadAgain(page)
    await saveLanguage(page, 'fr')
    expect(await page.textContent('#verdict')).toBe(
      'The server did not answer. Send another request when it runs again.',
    )
    expect(await page.isVisible('#signed-in')).toBe(true)
    await page.unroute(REQUESTS)
    expect(await send(page)).toBe('en')
    expect(await page.textContent('#verdict')).toBe('Still old: language')
    example.forgetProblems()
  })

  it('hides the bar that the server did not answer with its next answer', async () => {
    const page = await example.open()
    await signIn(page)
    // No answer at all, so that the bar can be seen before the document is read again.
    await page.route(/\/(?:auth|demo)\//, route => route.abort())
    await page.click('text="Refresh the token"')
    await expect.poll(() => page.textContent('#problem')).toBe('The server did not answer.')
    await page.unroute(/\/(?:auth|demo)\//)
    await expect.poll(() => page.isVisible('#problem')).toBe(false)
    example.forgetProblems()
  })

  it('keeps the bar of a refused login until the next login', async () => {
    const page = await example.open()
    example.expectAnswers(401)
    await page.route(/\/auth\/login$/, route =>
      route.continue({ postData: JSON.stringify({ email: 'alice@example.com', password: 'wrong' }) }),
    )
    await page.click('text="Sign in"')
    await expect.poll(() => page.textContent('#problem')).toMatch(/^Not signed in\./)
    await documentIsReadAgain(page)
    expect(await page.isVisible('#problem')).toBe(true)
    await page.unroute(/\/auth\/login$/)
    await signIn(page)
    expect(await page.isVisible('#problem')).toBe(false)
  })

  it('removes the error of a document while the form is edited, and with a new login', async () => {
    const page = await example.open()
    example.expectAnswers(400)
    const fail = async () => {
      await page.fill('#timezone', 'not a zone')
      await page.click('text="Save the document"')
      await expect.poll(() => page.textContent('#edit-error')).toMatch(/^timezone: write a name/)
    }
    await fail()
    await page.fill('#timezone', 'Europe/Par')
    expect(await page.textContent('#edit-error')).toBe('')
    await fail()
    await signIn(page)
    expect(await page.textContent('#edit-error')).toBe('')
    expect(await page.inputValue('#timezone')).toBe('not a zone')
  })

  it('sends one login for a double click, and shows the user who was chosen then', async () => {
    const page = await example.open()
    let logins = 0
    const held: Route[] = []
    await page.route(/\/auth\/login$/, route => {
      logins++
      held.push(route)
    })
    await page.dblclick('text="Sign in"')
    await expect.poll(() => held.length).toBe(1)
    expect(await page.isDisabled('text="Sign in"')).toBe(true)
    expect(await page.isDisabled('[name="user"][value="bob"]')).toBe(true)
    await held[0]!.continue()
    await page.waitForSelector('#seen .field')
    expect(await page.textContent('#who')).toBe('alice@example.com')
    expect(logins).toBe(1)
  })

  it('serves the token of an ended session without change streams, and refuses it with them, as it says', async () => {
    const page = await example.open()
    example.expectAnswers(401)
    const said = await page.innerText('#sessions-rule')
    expect(said).toContain(
      'Without change streams, the access token of an ended session works until it expires.',
    )
    expect(said).toContain('With change streams, it is refused at once.')
    await signIn(page)
    await page.locator('#sessions li:has-text("this page") >> text=End').first().click()
    await expect.poll(() => page.textContent('#sessions-hint')).toMatch(/^The session of this page has ended/)
    expect(await send(page)).toBe('en')
    expect(await page.getAttribute('#verdict', 'data-state')).toBe('same')
    await page.check('#change-streams')
    await expect
      .poll(async () => {
        await clickIfEnabled(page, '#send')
        return page.getAttribute('#verdict', 'data-state')
      })
      .toBe('refused')
    expect(await page.isVisible('#sign-in')).toBe(true)
    expect(await page.innerText('#sessions-rule')).toBe(said)
  })

  it('shows no list of sessions that comes after a logout', async () => {
    const page = await example.open()
    await signIn(page)
    const held: Route[] = []
    await page.route(/\/auth\/sessions$/, route => void held.push(route))
    await page.click('text="Reload the list"')
    await expect.poll(() => held.length).toBe(1)
    const listed = await held[0]!.fetch()
    await page.click('text="Log out"')
    await expect.poll(() => page.textContent('#status')).toBe('Logged out.')
    await held[0]!.fulfill({ response: listed })
    await documentIsReadAgain(page)
    expect(await page.textContent('#sessions')).toBe('')
    expect(await page.textContent('#sessions-hint')).toBe('Sign in to see them.')
  })

  it('says after a change that no request has asked again yet', async () => {
    const page = await example.open()
    await signIn(page)
    await saveLanguage(page, 'fr')
    expect(await page.textContent('#verdict')).toBe('Not asked again yet. Changed since: language')
    expect(await send(page)).toBe('en')
    expect(await page.textContent('#verdict')).toBe('Still old: language')
    expect(await shownField(page, '#seen', 'language')).toBe('"en"old')
  })

  it('says that a user has no document only while that is true', async () => {
    const page = await example.open()
    await page.check('[name="user"][value="bob"]')
    await expect.poll(() => page.textContent('#user-hint')).toBe('Bob is an admin.')
    await page.check('[name="user"][value="carol"]')
    await expect.poll(() => page.textContent('#user-hint')).toBe('Carol has no document, so handlers see {}.')
    await saveLanguage(page, 'de')
    await expect.poll(() => page.textContent('#user-hint')).toBe('Carol has a document.')
  })
})

/** Sends the request with a token that the server does not know. */
async function presentAnotherToken(route: Route): Promise<void> {
  await route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer x.y.z' } })
}

/** Waits until the page has read the document twice, so that it has shown it once at least. */
async function documentIsReadAgain(page: Page): Promise<void> {
  for (let reads = 0; reads < 2; reads++) await page.waitForResponse(/\/demo\/documents\//)
}
