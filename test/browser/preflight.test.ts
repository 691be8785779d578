import cors from 'cors'
import express from 'express'
import type { Express, RequestHandler } from 'express'
import { afterAll, expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import type { TestServer } from '../support/http-server.js'
import { recordEvents } from '../support/session-app.js'
import { createTestUserData, forgeToken } from '../support/user-data.js'

describeInChromium('a CORS preflight of a browser', newProfile => {
  const database = useDatabase()
  const servers: TestServer[] = []
  afterAll(() => Promise.all(servers.map(server => server.close())))

  it('is refused by the guard if cors() is mounted behind it, which warns; before it, the page gets its answer', async () => {
    const page = await (await newProfile()).newPage()
    await page.goto((await start(express().get('/', (_req, res) => void res.send('page')))).origin)
    const put = (url: string) =>
      page.evaluate(
        async ([to, token]) => {
          try {
            const headers = { Authorization: `Bearer ${token!}` }
            return (await fetch(to!, { method: 'PUT', headers })).status
          } catch (error) {
            return (error as Error).name
          }
        },
        [url, forgeToken()],
      )
    const allowPage = cors({ origin: new URL(page.url()).origin })
    const behind = await startApi(guard => [guard, allowPage])
    expect(await put(`${behind.origin}/orders`)).toBe('TypeError')
    expect(behind.events).toMatchObject([
      { code: 'preflight_refused', message: expect.stringContaining('PUT /orders') },
    ])
    const before = await startApi(guard => [allowPage, guard])
    expect(await put(`${before.origin}/orders`)).toBe(200)
    expect(before.events).toEqual([])
  })

  async function startApi(order: (guard: RequestHandler) => RequestHandler[]) {
    const userData = createTestUserData(database)
    const events = recordEvents(userData)
    const app = express()
    for (const handler of order(userData.authenticate())) app.use(handler)
    app.put('/orders', (_req, res) => void res.json({})).use(userData.errorHandler())
    return { events, origin: (await start(app)).origin }
  }

  async function start(app: Express): Promise<TestServer> {
    const server = await serve(app)
    servers.push(server)
    return server
  }
})
