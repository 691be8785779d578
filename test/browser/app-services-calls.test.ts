import { expect, it } from 'vitest'
import { describeInChromium } from '../support/browser.js'
import { useDatabase } from '../support/database.js'
import { logInAnonymously, startRealmPages } from './realm-page.js'

const CUSTOM_DATA = { database: 'app', collection: 'custom_user_data', rules: 'read-write' } as const

describeInChromium('functions and collections of realm-web on a page of another origin', newProfile => {
  const database = useDatabase()

  it('calls a function with dates and ids, and can read the text of its error', async () => {
    const functions = {
      echo: (_context: unknown, value: unknown) => value,
      fail: () => {
        throw new Error('the shop is closed')
      },
    }
    const { open } = await startRealmPages(newProfile, database, { service: { functions } })
    const page = await open()
    await logInAnonymously(page)
    const echoed = await page.evaluate(async () => {
      const sent = { at: new Date(0), id: new realmWeb.BSON.ObjectId('64b7f0c2a4e1d2f3a4b5c6d7') }
      const { at, id } = await app.currentUser!.functions['echo']!(sent)
      return [at instanceof Date, id instanceof realmWeb.BSON.ObjectId, String(id)]
    })
    expect(echoed).toEqual([true, true, '64b7f0c2a4e1d2f3a4b5c6d7'])
    expect(await page.evaluate(() => refusalOf(() => app.currentUser!.callFunction('fail')))).toEqual({
      message: expect.stringContaining('the shop is closed'),
      errorCode: 'FunctionExecutionError',
      statusCode: 400,
    })
  })

  it('reads a stream of values while they are sent', async () => {
    let sendSecond: (() => void) | undefined
    const functions = {
      async *values() {
        yield { value: 'first' }
        await new Promise<void>(resolve => (sendSecond = resolve))
        yield { value: 'second' }
      },
    }
    const { open } = await startRealmPages(newProfile, database, { service: { functions } })
    const page = await open()
    await logInAnonymously(page)
    await page.evaluate(() => {
      const all = { text: '', ended: false }
      Object.assign(window, { all })
      void (async () => {
        const decoder = new TextDecoder()
        for await (const chunk of await app.currentUser!.functions.callFunctionStreaming('values'))
          all.text += decoder.decode(chunk, { stream: true })
        all.ended = true
      })()
    })
    const all = () =>
      page.evaluate(() => (window as unknown as { all: { text: string; ended: boolean } }).all)
    await expect.poll(async () => (await all()).text).toContain('data: {"value":"first"}')
    expect((await all()).text).not.toContain('second')
    await expect.poll(() => sendSecond).toBeTypeOf('function')
    sendSecond!()
    await expect.poll(all).toEqual({ text: expect.stringContaining('data: {"value":"second"}'), ended: true })
  })

  it('reads and changes the document of the user, and no other one', async () => {
    const { open, service } = await startRealmPages(newProfile, database, {
      service: { customData: CUSTOM_DATA },
    })
    const page = await open()
    const id = await logInAnonymously(page)
    await service.userData.forUser('another user').update({ theme: 'light' }, { upsert: true })
    await service.userData.forUser(id).update({ theme: 'light' }, { upsert: true })
    const outcome = await page.evaluate(async () => {
      const documents = app.currentUser!.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
      const updated = await documents.updateMany({}, { $set: { theme: 'dark' } })
      return { updated, found: await documents.find(), theme: (await documents.findOne())?.theme as unknown }
    })
    expect(outcome.updated).toEqual({ matchedCount: 1, modifiedCount: 1 })
    expect(outcome.found).toHaveLength(1)
    expect(outcome.theme).toBe('dark')
    expect(await service.userData.forUser('another user').read()).toMatchObject({ theme: 'light' })
  })

  it('follows the changes of the document by watch(), and ends the stream on the server by return()', async () => {
    const { open, service } = await startRealmPages(newProfile, database, {
      service: { customData: CUSTOM_DATA },
      instance: { changeStreams: 'auto' },
    })
    const page = await open()
    const id = await logInAnonymously(page)
    await service.userData.forUser(id).update({ visits: 0 }, { upsert: true })
    await page.evaluate(() => {
      const documents = app.currentUser!.mongoClient('mongodb-atlas').db('app').collection('custom_user_data')
      const changes = documents.watch()
      const seen: unknown[] = []
      Object.assign(window, { changes, seen })
      void (async () => {
        for await (const change of changes) {
          const { operationType, updateDescription } = change as {
            operationType: string
            updateDescription?: unknown
          }
          seen.push({ operationType, updateDescription })
        }
      })()
    })
    let visits = 0
    const firstSeen = () => page.evaluate(() => (window as unknown as { seen: unknown[] }).seen[0])
    // A page cannot see when its stream stands, so the document changes until a change is seen.
    await expect
      .poll(async () => {
        await service.userData.forUser(id).update({ visits: ++visits })
        return firstSeen()
      })
      .toMatchObject({
        operationType: 'update',
        updateDescription: { updatedFields: { visits: expect.any(Number) } },
      })
    await page.evaluate(() => (window as unknown as { changes: AsyncGenerator }).changes.return(undefined))
    await expect.poll(() => service.requests.filter(({ isOpen }) => isOpen())).toEqual([])
  })
})
