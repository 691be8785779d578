import type { Server } from 'node:https'
import type { CustomUserDataOptions } from 'express-custom-user-data'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'
import { send, sendForm, serveSecurely, withPage } from './pages.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

describeInChromium('the refresh cookie in a browser', newProfile => {
  const database = useDatabase()
  const servers: TestServer[] = []
  let app: TestServer
  let otherPort: TestServer
  let secure: { server: Server; port: number }

  beforeAll(async () => {
    app = await start({ refreshTokenTransport: 'cookie' })
    otherPort = await serve(withPage())
    servers.push(otherPort)
    secure = await serveSecurely(
      withPage().use(createSessionApp(createTestUserData(database, { refreshTokenTransport: 'cookie' }))),
    )
  })
  afterAll(async () => {
    await Promise.all(servers.map(server => server.close()))
    secure.server.closeAllConnections()
    secure.server.close()
  })

  it('is kept after a login, and refreshes the session of the page', async () => {
    const page = await openPage(app.origin)
    expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
    expect(await send(page, 'POST', '/refresh', '')).toMatchObject({ status: 200 })
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })

  it('is missing before a login and after a logout, which the page can tell from a fault', async () => {
    const page = await openPage(app.origin)
    const missing = { status: 401, body: { error: 'missing_refresh_token' } }
    expect(await send(page, 'POST', '/refresh', '')).toMatchObject(missing)
    expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
    expect(await send(page, 'POST', '/logout', '')).toMatchObject({ status: 204 })
    expect(await send(page, 'POST', '/refresh', '')).toMatchObject(missing)
  })

  it('outlives the browser until the session ends, or not with persistent: false', async () => {
    const page = await openPage(app.origin)
    await send(page, 'POST', '/login', 'user=alice')
    const [kept] = await page.context().cookies()
    expect(Math.round(kept!.expires - Date.now() / 1000)).toBeGreaterThan(59 * 86_400)
    const { origin } = await start({ refreshTokenTransport: { cookie: { persistent: false } } })
    const other = await openPage(origin)
    await send(other, 'POST', '/login', 'user=alice')
    expect(await send(other, 'POST', '/refresh', '')).toMatchObject({ status: 200 })
    expect((await other.context().cookies()).map(({ expires }) => expires)).toEqual([-1])
  })

  it('of two apps on two ports of one host are two cookies', async () => {
    const second = await start({ refreshTokenTransport: 'cookie', issuer: 'https://other.example.com' })
    const page = await openPage(app.origin)
    await send(page, 'POST', '/login', 'user=alice')
    await page.goto(second.origin)
    await send(page, 'POST', '/login', 'user=bob')
    await send(page, 'POST', '/logout', '')
    await page.goto(app.origin)
    expect(await send(page, 'POST', '/refresh', '')).toMatchObject({
      status: 200,
      body: { user: { id: 'alice' } },
    })
  })

  describe('is neither set nor used by a form that a page sends', () => {
    const at = (host: string, { origin }: TestServer) => `http://${host}:${new URL(origin).port}`

    it.each([
      ['on another port', '127.0.0.1', '127.0.0.1'],
      ['of another site, localhost', 'localhost', '127.0.0.1'],
      ['of another site, 127.0.0.1', '127.0.0.1', 'localhost'],
      ['on another host', 'b.localhost', 'a.localhost'],
    ])('%s', (_title, pageHost, appHost) => refusesForms(at(pageHost, otherPort), at(appHost, app)))

    it('on another host of the same site', () =>
      refusesForms(`https://b.app.test:${secure.port}`, `https://a.app.test:${secure.port}`))

    async function refusesForms(from: string, to: string): Promise<void> {
      const page = await openPage(to)
      expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
      const before = await page.context().cookies(to)
      for (const path of ['/login', '/refresh', '/logout']) {
        await page.goto(from)
        const answer = page.waitForResponse(`${to}${path}`)
        await sendForm(page, `${to}${path}`)
        expect((await answer).status(), path).toBe(403)
        await page.waitForURL(`${to}${path}`)
      }
      expect(await page.context().cookies(to)).toEqual(before)
      await page.goto(to)
      expect(await send(page, 'POST', '/refresh', '')).toMatchObject({ body: { user: { id: 'alice' } } })
    }
  })

  describe('is not kept, so the login opens no session and says why', () => {
    const refused = (why: string) => ({
      status: 400,
      body: {
        error: 'cookie_not_kept',
        error_description: expect.stringContaining(why.replaceAll('"', "'")),
      },
    })

    it('on a page that came by http', async () => {
      const page = await openPage(`http://app.test:${new URL(app.origin).port}`)
      expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject(refused('by http'))
    })

    it('with the domain of another host', async () => {
      const { origin } = await start({ refreshTokenTransport: { cookie: { domain: 'b.localhost' } } })
      const page = await openPage(`http://a.localhost:${new URL(origin).port}`)
      expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject(refused('b.localhost'))
    })

    it('with the path in other letters, which Express takes for the same', async () => {
      const { origin } = await start({ refreshTokenTransport: { cookie: { path: '/Auth' } } }, '/auth')
      const page = await openPage(origin)
      expect(await send(page, 'POST', '/auth/login', 'user=alice')).toMatchObject(refused('/Auth'))
      expect(await send(page, 'POST', '/Auth/login', 'user=alice')).toMatchObject({ status: 200 })
      expect(await send(page, 'POST', '/Auth/refresh', '')).toMatchObject({ status: 200 })
      expect(await send(page, 'POST', '/auth/refresh', '')).toMatchObject({ status: 401 })
    })

    it.each(['strict', 'lax', 'none'] as const)(
      'in a frame of another site, with SameSite=%s',
      async sameSite => {
        const { origin } = await start({ refreshTokenTransport: { cookie: { sameSite } } })
        const page = await openPage(otherPort.origin.replace('127.0.0.1', 'localhost'))
        await page.evaluate(src => {
          document.body.append(Object.assign(document.createElement('iframe'), { src }))
        }, origin)
        await expect.poll(() => page.frames()[1]?.url()).toBe(`${origin}/`)
        const why = sameSite === 'none' ? 'keeps no cookies there' : 'sameSite: "none"'
        expect(await send(page.frames()[1]!, 'POST', '/login', 'user=alice')).toMatchObject(refused(why))
        expect(await page.context().cookies()).toEqual([])
      },
    )
  })

  it('of an access token that has expired is cleared by a public page', async () => {
    const userData = createTestUserData(database, { tokenPlaces: { cookie: 'access_token' } })
    const server = await serve(
      withPage().get('/public', userData.authenticate({ optional: true }), (req, res) => {
        res.json({ id: req.user?.id ?? null })
      }),
    )
    servers.push(server)
    const page = await openPage(server.origin)
    await page.context().addCookies([{ name: 'access_token', value: 'expired', url: server.origin }])
    await page.goto(`${server.origin}/public`)
    expect(await page.textContent('body')).toBe('{"id":null}')
    expect(await page.context().cookies()).toEqual([])
  })

  async function start(options: Options, at = '/'): Promise<TestServer> {
    const server = await serve(withPage().use(at, createSessionApp(createTestUserData(database, options))))
    servers.push(server)
    return server
  }

  async function openPage(origin: string): Promise<Page> {
    const page = await (await newProfile()).newPage()
    await page.goto(origin)
    return page
  }
})
