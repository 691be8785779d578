import express from 'express'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { createSessionApp } from '../support/session-app.js'
import { createTestUserData } from '../support/user-data.js'

/** How many browsers each rule is tried with. `BROWSERS=8` tries as long as it takes to see what is rare. */
const BROWSERS = Number(process.env['BROWSERS'] ?? 1)
/** Opening and closing a browser with twelve tabs takes seconds on a busy machine. */
const TIMEOUT_MS = BROWSERS * 60_000

/** A page that refreshes when it is loaded, and whose calls refresh and try again when they are answered with 401. */
const PAGE = `<!doctype html><title>page</title><script>
  const refresh = async (query = '') => {
    const answer = await fetch('/refresh' + query, { method: 'POST' })
    return { status: answer.status, token: (await answer.json()).access_token }
  }
  const call = async () => {
    const me = token => fetch('/me', { headers: { Authorization: 'Bearer ' + token } })
    const first = await me('an.old.token')
    return first.status === 401 ? (await me((await refresh()).token)).status : first.status
  }
  const loaded = location.hash === '#refresh' ? refresh() : Promise.resolve({ status: 0 })
</script>`

declare global {
  // The scripts of the page.
  function refresh(query?: string): Promise<{ readonly status: number }>
  function call(): Promise<number>
  const loaded: Promise<{ readonly status: number }>
}

describeInChromium('the session of one browser', newProfile => {
  const database = useDatabase()
  let server: TestServer
  let stolen: string[]
  let letGo: () => void
  let arrived: Promise<void>
  let arrive: () => void

  beforeAll(async () => {
    const userData = createTestUserData(database, { refreshTokenTransport: 'cookie' })
    userData.events.on('reuse_detected', ({ sid }) => stolen.push(sid))
    const app = express().get('/', (_req, res) => void res.type('html').send(PAGE))
    app.use('/refresh', (req, _res, next) => {
      if (!('held' in req.query)) {
        next()
        return
      }
      letGo = next
      arrive()
    })
    server = await serve(app.use(createSessionApp(userData)))
  })
  beforeEach(() => {
    stolen = []
    arrived = new Promise(resolve => (arrive = resolve))
  })
  afterAll(() => server.close())

  it.each([3, 6, 8, 12])(
    'survives the reload of %i tabs at the same moment',
    { timeout: TIMEOUT_MS },
    async tabs => {
      for (let i = 0; i < BROWSERS; i++) {
        const profile = await logIn()
        const others = Array.from({ length: tabs - 1 }, () => profile.newPage())
        const pages = [profile.pages()[0]!, ...(await Promise.all(others))]
        await Promise.all(pages.map(page => page.goto(`${server.origin}/#refresh`)))
        for (let reload = 0; reload < 2; reload++) {
          await Promise.all(pages.map(page => page.reload()))
          const statuses = await Promise.all(
            pages.map(page => page.evaluate(async () => (await loaded).status)),
          )
          expect(statuses).toEqual(pages.map(() => 200))
        }
        await expectAlive(pages[0]!)
        await profile.close()
      }
    },
  )

  it.each([3, 6, 8, 10, 15])(
    'survives %i calls of a page that each refresh and try again',
    { timeout: TIMEOUT_MS },
    async calls => {
      for (let i = 0; i < BROWSERS; i++) {
        const profile = await logIn()
        const page = profile.pages()[0]!
        const statuses = await page.evaluate(n => Promise.all(Array.from({ length: n }, () => call())), calls)
        expect(statuses).toEqual(Array.from({ length: calls }, () => 200))
        await expectAlive(page)
        await profile.close()
      }
    },
  )

  it('survives a refresh that is on its way while another tab refreshes twice', async () => {
    const profile = await logIn()
    const [slow, other] = [profile.pages()[0]!, await profile.newPage()]
    await other.goto(server.origin)
    const late = slow.evaluate(async () => (await refresh('?held')).status)
    await arrived
    for (let i = 0; i < 2; i++) await expectAlive(other)
    letGo()
    expect(await late).toBe(200)
    await expectAlive(other)
    await expectAlive(slow)
  })

  async function logIn(): Promise<BrowserContext> {
    const profile = await newProfile()
    const page = await profile.newPage()
    await page.goto(server.origin)
    await page.evaluate(async () => {
      const headers = { 'Content-Type': 'application/json' }
      await fetch('/login', { method: 'POST', headers, body: '{"user":"alice"}' })
    })
    return profile
  }

  async function expectAlive(page: Page): Promise<void> {
    expect(await page.evaluate(async () => (await refresh()).status)).toBe(200)
    expect(stolen).toEqual([])
  }
})
