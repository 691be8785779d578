import type { Collection } from 'mongodb'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createCustomUserData } from 'express-custom-user-data'
import type { OptionsWithoutKeys } from 'express-custom-user-data'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'

const SESSIONS = 'custom_user_data_sessions'

let fresh: TestDatabase
let collection: Collection
beforeEach(async () => {
  // A database for each test, because the names of its collections matter here.
  fresh = await openDatabase()
  onTestFinished(fresh.close)
  collection = fresh.db.collection('profiles')
  await collection.insertOne({ userId: 'alice' })
})

function start(options: Partial<OptionsWithoutKeys<object>> = {}) {
  const userData = createCustomUserData({ collection, ...options })
  userData.events.on('warning', () => undefined)
  onTestFinished(() => userData.close())
  return userData
}

const collections = async () => (await fresh.db.listCollections().toArray()).map(({ name }) => name).sort()
const indexes = () => fresh.db.collection(SESSIONS).indexes()

describe('an instance with a collection alone', () => {
  it.each(['off', 'auto'] as const)(
    'creates no collection at ready(), and tells that sessions are off (change streams: %s)',
    async changeStreams => {
      const userData = start({ changeStreams })
      const state = { custom_data: 'there', sessions: 'off', login_attempts: 'off' }
      expect((await userData.ready()).indexes).toEqual(state)
      expect((await userData.ready()).indexes).toEqual(state)
      expect(await collections()).toEqual(['profiles'])
    },
  )

  it.each<[string, (userData: ReturnType<typeof start>) => Promise<unknown>]>([
    ['revoke()', userData => userData.revoke('alice')],
    ['disable()', userData => userData.disable('alice')],
  ])('makes the indexes of sessions after the first %s, also without another ready()', async (_name, use) => {
    const userData = start()
    await userData.ready()
    await use(userData)
    await expect.poll(async () => (await indexes()).length, { timeout: 10_000 }).toBe(5)
    await expect.poll(async () => (await userData.ready()).indexes.sessions).toBe('there')
  })

  it('makes the indexes of sessions after the first revoke() if ready() is never called', async () => {
    await start().revoke('alice')
    await expect.poll(async () => (await indexes()).length, { timeout: 10_000 }).toBe(5)
  })

  it.each<[string, (userData: ReturnType<typeof start>) => unknown]>([
    ['logout()', userData => userData.logout()],
    ['logoutAll()', userData => userData.logoutAll()],
    ['ownSessions()', userData => userData.ownSessions()],
  ])('makes the indexes of sessions at ready() for %s', async (_name, use) => {
    const userData = start()
    use(userData)
    expect((await userData.ready()).indexes.sessions).toBe('there')
    expect(await indexes()).toHaveLength(5)
  })

  it('makes them at the next ready() if a route is created after the first one', async () => {
    const userData = start()
    await userData.ready()
    userData.logoutAll()
    expect((await userData.ready()).indexes.sessions).toBe('there')
    expect(await indexes()).toHaveLength(5)
  })
})

it('an instance with trustedIssuers makes the indexes of sessions at ready()', async () => {
  const userData = start({ trustedIssuers: [] })
  expect((await userData.ready()).indexes.sessions).toBe('there')
})
