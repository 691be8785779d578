import type { CustomUserDataOptions } from 'express-custom-user-data'
import type { Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'
import { send, sendForm, serveSecurely, withPage } from './pages.js'

type Options = Partial<CustomUserDataOptions<Record<string, unknown>>>

const COOKIES: Options = { accessTokenTransport: 'cookie', refreshTokenTransport: 'cookie' }

describeInChromium('the cookie of the access token in a browser', newProfile => {
  const database = useDatabase()
  const servers: TestServer[] = []
  let app: TestServer
  let otherPort: TestServer

  beforeAll(async () => {
    app = await start(COOKIES)
    otherPort = await serve(withPage())
    servers.push(otherPort)
  })
  afterAll(() => Promise.all(servers.map(server => server.close())))

  it('is kept after a login, lets the page in without a header, and no script reads it', async () => {
    const page = await openPage(app.origin)
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 401 })
    const login = await send(page, 'POST', '/login', 'user=alice')
    expect(login).toMatchObject({ status: 200, body: { user: { id: 'alice' } } })
    expect(login.body).not.toHaveProperty('access_token')
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200, body: { id: 'alice' } })
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })

  it('is replaced by a refresh and cleared by a logout', async () => {
    const page = await openPage(app.origin)
    await send(page, 'POST', '/login', 'user=alice')
    const valueOf = async () =>
      (await page.context().cookies()).find(({ name }) => name.startsWith('__Host-access_token_'))?.value
    const before = await valueOf()
    expect(await send(page, 'POST', '/refresh')).toMatchObject({ status: 200 })
    expect(await valueOf()).not.toBe(before)
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200 })
    expect(await send(page, 'POST', '/logout')).toMatchObject({ status: 204 })
    expect(await page.context().cookies()).toEqual([])
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 401 })
  })

  it('is cleared with the rest by logoutAll(), which the page may call and a form of another page may not', async () => {
    const page = await openPage(app.origin)
    await send(page, 'POST', '/login', 'user=alice')
    const other = await page.context().newPage()
    for (const path of ['/logout-all', '/login', '/refresh', '/logout']) {
      await other.goto(otherPort.origin)
      const answer = other.waitForResponse(`${app.origin}${path}`)
      await sendForm(other, `${app.origin}${path}`)
      expect((await answer).status(), path).toBe(403)
      await other.waitForURL(`${app.origin}${path}`)
    }
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200, body: { id: 'alice' } })
    expect(await send(page, 'POST', '/logout-all')).toMatchObject({ status: 204 })
    expect(await page.context().cookies()).toEqual([])
  })

  it('is neither set nor cleared by a form of another page if refresh tokens are in the JSON', async () => {
    const { origin } = await start({ accessTokenTransport: 'cookie' })
    const page = await openPage(origin)
    await send(page, 'POST', '/login', 'user=alice')
    for (const path of ['/login', '/logout']) {
      await page.goto(otherPort.origin)
      const answer = page.waitForResponse(`${origin}${path}`)
      await sendForm(page, `${origin}${path}`)
      expect((await answer).status(), path).toBe(403)
      await page.waitForURL(`${origin}${path}`)
    }
    await page.goto(origin)
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200, body: { id: 'alice' } })
  })

  it('comes along when a user follows a link of another site, and a strict one does not', async () => {
    for (const [sameSite, status] of [
      [undefined, 200],
      ['strict', 401],
    ] as const) {
      const cookie = sameSite === undefined ? {} : { sameSite }
      const { origin } = await start({ accessTokenTransport: { cookie } })
      const page = await openPage(origin)
      await send(page, 'POST', '/login', 'user=alice')
      await page.goto(otherPort.origin.replace('127.0.0.1', 'localhost'))
      const answer = page.waitForResponse(`${origin}/me`)
      await page.evaluate(to => {
        location.href = to
      }, `${origin}/me`)
      expect((await answer).status()).toBe(status)
    }
  })

  it('is kept by the browser at the longest token with user_data that fits', async () => {
    const { origin } = await start({ ...COOKIES, userDataInToken: 'relaxed' })
    const users = Array.from({ length: 9 }, (_value, index) => ({
      userId: `long-${index}`,
      notes: 'n'.repeat(2_400 + index * 50),
    }))
    await database.db.collection('custom_user_data').insertMany(users)
    const page = await openPage(origin)
    const lengths: number[] = []
    for (const { userId } of users) {
      expect(await send(page, 'POST', '/login', `user=${userId}`)).toMatchObject({ status: 200 })
      expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200, body: { id: userId } })
      const [access] = (await page.context().cookies()).filter(({ name }) => name.includes('access_token'))
      lengths.push(access!.value.length)
    }
    // The data of the shortest document is in the token, and that of the longest is not.
    expect(lengths[0]).toBeGreaterThan(3_000)
    expect(lengths.at(-1)).toBeLessThan(1_000)
  })

  describe('with secure: false', () => {
    const PLAIN: Options = {
      accessTokenTransport: { cookie: { secure: false } },
      refreshTokenTransport: { cookie: { secure: false } },
    }

    it.each(['localhost', '127.0.0.1'])('works on %s without Secure and prefix', async host => {
      const { origin } = await start(PLAIN)
      const page = await openPage(`http://${host}:${new URL(origin).port}`)
      expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
      const cookies = await page.context().cookies()
      expect(cookies.map(({ name, secure }) => [name.replace(/_[\da-f]{8}$/, ''), secure]).sort()).toEqual([
        ['access_token', false],
        ['refresh_token', false],
      ])
      expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200 })
      expect(await send(page, 'POST', '/refresh')).toMatchObject({ status: 200 })
      expect(await send(page, 'POST', '/logout')).toMatchObject({ status: 204 })
      expect(await page.context().cookies()).toEqual([])
    })

    it('replaces the cookies that the browser has from before the option was written', async () => {
      const before = await start(COOKIES)
      const page = await openPage(before.origin)
      await send(page, 'POST', '/login', 'user=alice')
      const { origin } = await start(PLAIN)
      await page.goto(origin)
      expect(await send(page, 'POST', '/login', 'user=bob')).toMatchObject({ status: 200 })
      expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200, body: { id: 'bob' } })
      expect(await send(page, 'POST', '/refresh')).toMatchObject({ body: { user: { id: 'bob' } } })
      expect((await page.context().cookies()).map(({ secure }) => secure)).toEqual([false, false])
    })

    it('changes nothing where the page came by https', async () => {
      const handle = withPage().use(createSessionApp(createTestUserData(database, PLAIN)))
      const { server, port } = await serveSecurely(handle)
      try {
        const page = await openPage(`https://localhost:${port}`)
        expect(await send(page, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
        for (const { name, secure } of await page.context().cookies()) {
          expect([name.slice(0, 7), secure]).toEqual(['__Host-', true])
        }
        expect(await send(page, 'GET', '/me')).toMatchObject({ status: 200 })
      } finally {
        server.closeAllConnections()
        server.close()
      }
    })
  })

  it('is kept in a frame of another site if it is partitioned, apart for each site that shows the frame', async () => {
    const cookie = { sameSite: 'none', partitioned: true } as const
    const options: Options = { accessTokenTransport: { cookie }, refreshTokenTransport: { cookie } }
    const { origin } = await start(options)
    const page = await openPage(otherPort.origin.replace('127.0.0.1', 'localhost'))
    const frame = await openFrame(page, origin)
    expect(await send(frame, 'POST', '/login', 'user=alice')).toMatchObject({ status: 200 })
    expect(await send(frame, 'GET', '/me')).toMatchObject({ status: 200, body: { id: 'alice' } })
    expect(await send(frame, 'POST', '/refresh')).toMatchObject({ status: 200 })
    await page.goto(origin)
    expect(await send(page, 'GET', '/me')).toMatchObject({ status: 401 })
    await page.goto(otherPort.origin.replace('127.0.0.1', 'localhost'))
    const again = await openFrame(page, origin)
    expect(await send(again, 'POST', '/logout')).toMatchObject({ status: 204 })
    expect(await send(again, 'GET', '/me')).toMatchObject({ status: 401 })
    expect(await page.context().cookies(origin)).toEqual([])
  })

  async function start(options: Options): Promise<TestServer> {
    const server = await serve(withPage().use(createSessionApp(createTestUserData(database, options))))
    servers.push(server)
    return server
  }

  async function openPage(origin: string): Promise<Page> {
    const page = await (await newProfile()).newPage()
    await page.goto(origin)
    return page
  }
})

async function openFrame(page: Page, origin: string): Promise<Frame> {
  await page.evaluate(src => {
    document.body.append(Object.assign(document.createElement('iframe'), { src }))
  }, origin)
  await expect.poll(() => page.frames()[1]?.url()).toBe(`${origin}/`)
  return page.frames()[1]!
}
