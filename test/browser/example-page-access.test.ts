import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { startExample } from '../support/run-example.js'
import { describeInChromium } from '../support/browser.js'
import { violationsOf } from './axe.js'
import { clickIfEnabled, saveLanguage, shownField, signIn, useExamplePage } from './example-page.js'

describeInChromium('the page of the server example is usable', newProfile => {
  const example = useExamplePage(newProfile)

  it.each([
    ['light', 'light', 1280],
    ['dark', 'dark', 1280],
    ['at the width of a phone', 'light', 360],
    ['dark at the width of a phone', 'dark', 360],
  ] as const)('by everybody, as far as axe can tell: %s', async (_title, colorScheme, width) => {
    const page = await example.open({ colorScheme, width })
    expect(await violationsOf(page)).toEqual([])
    await signIn(page)
    await saveLanguage(page, 'fr')
    expect(await page.getAttribute('#verdict', 'data-state')).toBe('old')
    expect(await violationsOf(page)).toEqual([])
    await page.check('#change-streams')
    await page.check('[name="max-age"][value="0"]')
    await page.click('text="Send a request"')
    await expect.poll(() => page.getAttribute('#verdict', 'data-state')).toBe('same')
    expect(await violationsOf(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
  })

  it('on the narrowest phone, where each label of a bar has one line', async () => {
    const page = await example.open({ width: 320 })
    await signIn(page)
    for (const label of ['#age-label', '#life-label']) {
      const lines = await page.locator(label).evaluate(element => {
        const range = document.createRange()
        range.selectNodeContents(element)
        return new Set([...range.getClientRects()].map(({ top }) => top)).size
      })
      expect(lines, label).toBe(1)
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320)
  })

  it('with errors shown, as far as axe can tell', async () => {
    const page = await example.open()
    example.expectAnswers(400, 401)
    await signIn(page)
    await page.fill('#timezone', 'not a zone')
    await page.click('text="Save the document"')
    await expect.poll(() => page.textContent('#edit-error')).toMatch(/^timezone/)
    await page.check('#change-streams')
    await page.locator('#sessions li:has-text("this page") >> text=End').first().click()
    await expect.poll(() => page.textContent('#sessions-hint')).toMatch(/^The session of this page has ended/)
    await expect
      .poll(async () => {
        await clickIfEnabled(page, '#send')
        return page.getAttribute('#verdict', 'data-state')
      })
      .toBe('refused')
    expect(await violationsOf(page)).toEqual([])
  })

  it('by the keyboard alone: signing in, changing the document and sending a request', async () => {
    const page = await example.open()
    await tabTo(page, 'user')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowLeft')
    await tabTo(page, 'Sign in')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#seen .field')
    expect(await focused(page)).toBe('Send a request')
    await tabTo(page, 'language', 'Shift+Tab')
    await page.keyboard.type('f')
    await tabTo(page, 'Save the document')
    await page.keyboard.press('Enter')
    await expect.poll(() => shownField(page, '#document', 'language')).toBe('"fr"')
    await tabTo(page, 'change-streams', 'Shift+Tab')
    await page.keyboard.press('Space')
    await tabTo(page, 'Send a request')
    await page.keyboard.press('Space')
    await expect.poll(() => page.textContent('#greeting')).toBe('Bonjour !')
  })

  it('by the keyboard, because each control can be reached once, in order, with a visible outline', async () => {
    const page = await example.open()
    await signIn(page)
    // Behind the last control the focus leaves the page, and comes to the first control again.
    while ((await focused(page)) !== 'BODY') await page.keyboard.press('Tab')
    const visited: string[] = []
    for (;;) {
      await page.keyboard.press('Tab')
      const at = await page.evaluate(() => {
        const element = document.activeElement!
        const shown = element.matches('.choice input') ? element.nextElementSibling! : element
        const { outlineStyle, outlineWidth } = getComputedStyle(shown)
        return { tag: element.tagName, outline: `${outlineStyle} ${outlineWidth}` }
      })
      if (at.tag === 'BODY') break
      expect(at.outline).toBe('solid 3px')
      visited.push(await focused(page))
    }
    const controls = await page.evaluate(
      () =>
        [...document.querySelectorAll('button, select, input')].filter(control => {
          const isRadio = control instanceof HTMLInputElement && control.type === 'radio'
          return control.checkVisibility() && !(isRadio && !control.checked)
        }).length,
    )
    expect(visited).toHaveLength(controls)
    expect(visited.indexOf('Refresh the token')).toBeLessThan(visited.indexOf('change-streams'))
    expect(visited.indexOf('Save the document')).toBeLessThan(visited.indexOf('Send a request'))
  })

  it('without motion, if the user prefers that', async () => {
    const moves = async (reducedMotion: 'reduce' | 'no-preference') => {
      const page = await example.open({ reducedMotion })
      return page
        .locator('#change-streams')
        .evaluate(element => getComputedStyle(element, '::before').transitionDuration)
    }
    expect([await moves('no-preference'), await moves('reduce')]).toEqual(['0.15s', '0s'])
  })

  it('where it may not edit, and says why', async () => {
    const { url } = await startExample('server/main.ts')
    const page = await (await newProfile()).newPage()
    await page.goto(url)
    await expect.poll(() => page.isVisible('#edits-off')).toBe(true)
    expect(await page.textContent('#edits-off')).toContain('DEMO_PAGE=on')
    expect(await page.isVisible('#edit')).toBe(false)
    await signIn(page)
    expect(await shownField(page, '#seen', 'language')).toBe('"en"')
    expect(await violationsOf(page)).toEqual([])
  })
})

/** Presses Tab until a control has the focus. Its name is its text, id or name. */
async function tabTo(page: Page, name: string, key = 'Tab'): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await focused(page)) === name) return
    await page.keyboard.press(key)
  }
  expect(await focused(page)).toBe(name)
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement!
    if (element instanceof HTMLButtonElement) return element.textContent
    return element.id || (element.getAttribute('name') ?? element.tagName)
  })
}
