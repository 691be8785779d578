import express from 'express'
import type { Response } from 'express'
import type { CustomUserData } from 'express-custom-user-data'
import type { Page } from 'playwright-core'
import { afterAll, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createTestUserData, forgeToken, validClaims } from '../support/user-data.js'

type TestUserData = CustomUserData<Readonly<Record<string, unknown>>>

describeInChromium("a browser's cache", newProfile => {
  const database = useDatabase()
  const servers: TestServer[] = []
  afterAll(() => Promise.all(servers.map(server => server.close())))

  const tokenOf = (user: string) => forgeToken({ claims: validClaims(user) })

  /** Serves an app with a page that anybody may open, and `/me` behind the guard. */
  async function start(userData: TestUserData, guard = userData.authenticate()): Promise<string> {
    const app = express()
      .get('/', (_req, res) => void res.type('html').send('<!doctype html><title>sign in</title>'))
      .get('/me', guard, (req, res) => {
        sendOld(res, req.user?.id ?? 'nobody')
      })
      .use(userData.errorHandler())
    const server = await serve(app)
    servers.push(server)
    return server.origin
  }

  it("never gives one user's answer to another, nor to nobody, although the route has a Last-Modified", async () => {
    const userData = createTestUserData(database)
    const guards = [userData.authenticate(), userData.authenticate({ optional: true })]
    for (const [guard, toNobody] of [
      [guards[0], '401'],
      [guards[1], '200 nobody'],
    ] as const) {
      const page = await (await newProfile()).newPage()
      await page.goto(await start(userData, guard))
      expect(await ask(page, tokenOf('alice'))).toBe('200 alice')
      expect(await ask(page, tokenOf('bob'))).toBe('200 bob')
      expect(await ask(page)).toBe(toNobody)
      expect(await ask(page, tokenOf('alice'))).toBe('200 alice')
    }
  })

  it('shows no private page by "back" after the logout with cacheControl: no-store, whatever is left of the cookie', async () => {
    const shown: string[] = []
    for (const cacheControl of ['no-store', 'no-cache'] as const) {
      const userData = createTestUserData(database, {
        tokenPlaces: { cookie: 'access_token' },
        cacheControl,
      })
      const origin = await start(userData)
      const { access_token: value } = await userData.issueTokens('alice')
      const profile = await newProfile()
      await profile.addCookies([{ name: 'access_token', value, url: origin }])
      const page = await profile.newPage()
      await page.goto(`${origin}/me`)
      expect(await page.innerText('body')).toBe('alice')
      await page.goto(origin)
      await userData.revoke('alice')
      await page.goBack()
      shown.push(await page.innerText('body'))
    }
    expect(shown[0]).toContain('invalid_token')
    // "Back" takes what is stored without asking, so the default is not enough for such pages.
    expect(shown[1]).toBe('alice')
  })

  it('shows no private page by "back" after a logout that clears the cookie, because answers vary by it', async () => {
    const userData = createTestUserData(database, { tokenPlaces: { cookie: 'access_token' } })
    const origin = await start(userData)
    const profile = await newProfile()
    await profile.addCookies([{ name: 'access_token', value: tokenOf('alice'), url: origin }])
    const page = await profile.newPage()
    await page.goto(`${origin}/me`)
    await page.goto(origin)
    await profile.clearCookies()
    await page.goBack()
    expect(await page.innerText('body')).toContain('missing_token')
  })
})

/** An answer that a browser may use again for days by its own estimate, unless a header forbids it (RFC 9111 4.2.2). */
function sendOld(res: Response, text: string): void {
  res.set('Last-Modified', new Date(0).toUTCString()).type('html').send(`<!doctype html><p>${text}</p>`)
}

/** The status, and the user whom a 200 shows. */
function ask(page: Page, token?: string): Promise<string> {
  return page.evaluate(async sent => {
    const headers = sent === undefined ? {} : { Authorization: `Bearer ${sent}` }
    const answer = await fetch('/me', { headers })
    const text = /<p>(.*)<\/p>/.exec(await answer.text())?.[1]
    return [answer.status, text].filter(Boolean).join(' ')
  }, token)
}
