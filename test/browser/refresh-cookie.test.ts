import express from 'express'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

describeInChromium('the refresh cookie in a browser', newProfile => {
  const database = useDatabase()
  let app: TestServer
  let otherPort: TestServer

  beforeAll(async () => {
    const userData = createTestUserData(database, { refreshTokenTransport: 'cookie' })
    app = await serve(withPage().use(createSessionApp(userData)))
    otherPort = await serve(withPage())
  })
  afterAll(() => Promise.all([app.close(), otherPort.close()]))

  it('is kept after a login, and refreshes the session of the page', async () => {
    const page = await openPage(app.origin)
    expect(await submit(page, '/login', 'user=alice')).toMatchObject({ status: 200 })
    expect(await submit(page, '/refresh', '')).toMatchObject({ status: 200 })
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })

  it('is not set by a form that a page on another port sends', async () => {
    const page = await openPage(otherPort.origin)
    const answer = page.waitForResponse(`${app.origin}/login`)
    await page.evaluate(action => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action })
      form.append(Object.assign(document.createElement('input'), { name: 'user', value: 'mallory' }))
      document.body.append(form)
      form.submit()
    }, `${app.origin}/login`)
    expect((await answer).status()).toBe(403)
    expect(await page.context().cookies()).toEqual([])
  })

  async function openPage(origin: string): Promise<Page> {
    const page = await (await newProfile()).newPage()
    await page.goto(origin)
    return page
  }
})

/** An app that answers `/` with an empty page, for scripts of tests to run in. */
function withPage() {
  return express().get('/', (_req, res) => void res.type('html').send('<!doctype html><title>page</title>'))
}

/** Sends a form by `fetch`, as the script of a page does. */
function submit(page: Page, path: string, form: string): Promise<{ status: number; body: unknown }> {
  return page.evaluate(
    async ([url, text]) => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const answer = await fetch(url!, { method: 'POST', headers, body: text! })
      return { status: answer.status, body: await answer.json() }
    },
    [path, form],
  )
}
