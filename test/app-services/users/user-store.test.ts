import { BSON } from 'mongodb'
import { expect, test } from 'vitest'
import { UserStore } from '../../../lib/app-services/users/user-store.js'
import type { VerifiedIdentity } from '../../../lib/app-services/users/stored-user.js'
import { createManualClock } from '../../support/clock.js'
import { useDatabase } from '../../support/database.js'

const database = useDatabase()
const DAY_MS = 86_400_000
const USERS = 'custom_user_data_app_services_users'

const anonymous = (): VerifiedIdentity => ({ providerType: 'anon-user', id: crypto.randomUUID(), data: {} })
const external = (): VerifiedIdentity => ({ providerType: 'custom-token', id: crypto.randomUUID(), data: {} })

function createStore() {
  const clock = createManualClock()
  const find = () => database.db.collection(USERS)
  const store = new UserStore({ find, bson: () => BSON, timeoutMs: 10_000, now: clock.now })
  return { clock, store }
}

/** Creates a user, and resolves to the id. */
async function createUser(store: UserStore, identity: VerifiedIdentity): Promise<string> {
  const found = await store.findOrReserve(identity)
  if (!found) throw new Error('The identity is being deleted.')
  await store.activate(found.user)
  return found.user._id.toHexString()
}

test('a linked user never ends, also if a refresh notes its use at the same time', async () => {
  const { clock, store } = createStore()
  // Which of the two comes first is up to MongoDB, so many users try both orders.
  const ids = await Promise.all(Array.from({ length: 50 }, () => createUser(store, anonymous())))
  clock.advance(2 * DAY_MS)
  for (const id of ids) await Promise.all([store.touch(id), store.addIdentity(id, external())])
  expect(await database.db.collection(USERS).countDocuments({ expiresAt: { $exists: true } })).toBe(0)
})

test('an anonymous user who has ended gets no further identity, and is found no more', async () => {
  const { clock, store } = createStore()
  const id = await createUser(store, anonymous())
  clock.advance(91 * DAY_MS)
  expect(await store.addIdentity(id, external())).toBe('gone')
  expect(await store.findById(id)).toBe(undefined)
  expect(await store.touch(id)).toBe(undefined)
})

test('a user whose deletion has begun is found by no id and no identity, and keeps the identities', async () => {
  const { store } = createStore()
  const identity = external()
  const id = await createUser(store, identity)
  expect((await store.markDeleted(id))?.identities).toHaveLength(1)
  expect(await store.findById(id)).toBe(undefined)
  expect(await store.findByIdentity(identity.providerType, identity.id)).toBe(undefined)
  expect(await store.findOrReserve(identity)).toBe(undefined)
  expect(await store.addIdentity(id, external())).toBe('gone')
  expect(await store.removeMarked(id)).toBe(true)
  expect(await store.removeMarked(id)).toBe(false)
  expect(await createUser(store, identity)).not.toBe(id)
})

test('a user whose deletion has not begun is not removed', async () => {
  const { store } = createStore()
  const id = await createUser(store, external())
  expect(await store.removeMarked(id)).toBe(false)
  expect(await store.findById(id)).toBeDefined()
})

test.each(['alice', '', 'F'.repeat(24), 'f'.repeat(24)])('nobody has the id %j', async id => {
  const { store } = createStore()
  expect(await store.findById(id)).toBe(undefined)
  expect(await store.markDeleted(id)).toBe(undefined)
  expect(await store.addIdentity(id, external())).toBe('gone')
})
