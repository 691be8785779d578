import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { createManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import { logInAnonymously, startRealmPages } from './realm-page.js'

const THIRTY_ONE_MINUTES_MS = 31 * 60_000

describeInChromium('realm-web on a page of another origin', newProfile => {
  const database = useDatabase()

  it('has stale custom data after a write, and fresh data after refreshCustomData()', async () => {
    const { service, open } = await startRealmPages(newProfile, database)
    const page = await open()
    const id = await logInAnonymously(page)
    expect(await customDataOf(page)).toEqual({})
    await service.userData.forUser(id).update({ $set: { visits: 3 } }, { upsert: true })
    expect(await customDataOf(page)).toEqual({})
    const refreshed = await page.evaluate(() => app.currentUser!.refreshCustomData())
    // App Services had canonical Extended JSON here, and the client does not convert it.
    expect(refreshed).toMatchObject({ visits: { $numberInt: '3' } })
    expect(await customDataOf(page)).toEqual(refreshed)
  })

  it('keeps the user and the custom data through a reload of the page', async () => {
    const { service, open, takeRequests } = await startRealmPages(newProfile, database)
    const page = await open()
    const id = await logInAnonymously(page)
    await service.userData.forUser(id).update({ $set: { theme: 'dark' } }, { upsert: true })
    await page.evaluate(() => app.currentUser!.refreshCustomData())
    takeRequests()
    await page.reload()
    expect(await customDataOf(page)).toMatchObject({ theme: 'dark' })
    expect(takeRequests()).toEqual([])
    expect(await page.evaluate(() => app.currentUser!.isLoggedIn)).toBe(true)
    await page.evaluate(() => app.currentUser!.refreshProfile())
    expect(takeRequests()).toEqual(['GET /location', 'GET /auth/profile'])
  })

  it('refreshes an expired access token once in each of three tabs, and no tab is logged out', async () => {
    const clock = createManualClock()
    const { open, takeRequests } = await startRealmPages(newProfile, database, { instance: { clock } })
    const first = await open()
    const id = await logInAnonymously(first)
    const tabs = [first, await open(first.context()), await open(first.context())]
    clock.advance(THIRTY_ONE_MINUTES_MS)
    takeRequests()
    await Promise.all(tabs.map(tab => tab.evaluate(() => app.currentUser!.refreshProfile())))
    const requests = takeRequests().filter(name => name !== 'GET /location')
    expect(requests.filter(name => name === 'POST /auth/session')).toHaveLength(3)
    expect(requests.filter(name => name === 'GET /auth/profile')).toHaveLength(6)
    expect(requests).toHaveLength(9)
    for (const tab of tabs) {
      await tab.evaluate(() => app.currentUser!.refreshProfile())
      expect(await tab.evaluate(() => [app.currentUser!.id, app.currentUser!.isLoggedIn])).toEqual([id, true])
    }
    expect(takeRequests()).toEqual(['GET /auth/profile', 'GET /auth/profile', 'GET /auth/profile'])
  })

  it('can read the text and the code of an error', async () => {
    const { open } = await startRealmPages(newProfile, database)
    const page = await open()
    expect(
      await page.evaluate(() => refusalOf(() => app.logIn(realmWeb.Credentials.google({ idToken: 'a' })))),
    ).toEqual({
      message: expect.stringContaining('this way to log in is not turned on (status 404 Not Found)'),
      errorCode: 'AuthProviderNotFound',
      statusCode: 404,
    })
  })

  it('cannot read anything from an origin that is not allowed', async () => {
    const { open, origin, takeRequests } = await startRealmPages(newProfile, database)
    const page = await open()
    // The same pages by another name are another origin.
    await page.goto(origin.replace('127.0.0.1', 'stranger.test'))
    const refusal = { message: 'Failed to fetch', errorCode: undefined, statusCode: undefined }
    expect(await page.evaluate(() => refusalOf(() => app.logIn(realmWeb.Credentials.anonymous())))).toEqual(
      refusal,
    )
    // The browser sends this one without a preflight, and keeps the answer from the page.
    expect(takeRequests()).toEqual(['GET /location'])
  })

  it('sends one preflight for many requests to one route', async () => {
    const { open, preflightsOf, takeRequests } = await startRealmPages(newProfile, database)
    const page = await open()
    await logInAnonymously(page)
    takeRequests()
    await page.evaluate(async () => {
      for (let i = 0; i < 3; i++) await app.currentUser!.refreshProfile()
    })
    expect(takeRequests()).toEqual(['GET /auth/profile', 'GET /auth/profile', 'GET /auth/profile'])
    expect(preflightsOf('/auth/profile')).toBe(1)
  })
})

function customDataOf(page: Page): Promise<unknown> {
  return page.evaluate(() => app.currentUser!.customData)
}
