import type { Collection } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { openDatabase, openProxiedDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createFollower, startFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'
import { createTestUserData } from '../support/user-data.js'

interface Profile {
  _id: number
  userId?: string
  n: number
}

/** More than clocks may differ: within that an instance reads to be sure. */
const LATER_MS = 10_000

const issuing = useDatabase()
let serving: TestDatabase
let documents: Collection<Profile>
let clock: ManualClock
let there: Follower
beforeAll(async () => {
  serving = await openDatabase()
})
beforeEach(async () => {
  documents = issuing.db.collection('custom_user_data')
  await documents.deleteMany({})
  await documents.insertMany([
    { _id: 1, userId: 'alice', n: 1 },
    { _id: 2, userId: 'bob', n: 1 },
  ])
  clock = createManualClock()
  const options = { clock, userDataInToken: 'relaxed' } as const
  there = await startFollower(serving.client.db(issuing.db.databaseName), options)
  clock.advance(LATER_MS)
})
afterEach(() => there.userData.close())
afterAll(async () => {
  await serving.client.close()
})

async function issue(userId: string): Promise<string> {
  const here = createTestUserData(issuing, { clock, userDataInToken: 'relaxed' })
  return (await here.issueTokens(userId)).access_token
}

const dataOf = async (token: string) => (await there.userData.verifyToken(token)).customData
const loads = () => serving.commands.loads().length

describe('a token with custom data that another process issued', () => {
  it('is served without a query by an instance that follows changes, if nothing has changed', async () => {
    const token = await issue('alice')
    serving.commands.clear()
    expect(await dataOf(token)).toEqual({ _id: 1, userId: 'alice', n: 1 })
    expect(loads()).toBe(0)
  })

  it.each<[string, (of: Collection<Profile>) => Promise<unknown>, object]>([
    ['updated', of => of.updateOne({ _id: 1 }, { $set: { n: 2 } }), { _id: 1, userId: 'alice', n: 2 }],
    ['deleted', of => of.deleteOne({ _id: 1 }), {}],
    ['given to another user', of => of.updateOne({ _id: 1 }, { $set: { userId: 'carol' } }), {}],
    ['without its user id', of => of.updateOne({ _id: 1 }, { $unset: { userId: 1 } }), {}],
  ])(
    'is loaded again if its document was %s, whether or not this instance had loaded it before',
    async (_how, change, expected) => {
      const [seen, unseen] = [await issue('alice'), await issue('alice')]
      expect(await dataOf(seen)).toMatchObject({ n: 1 })
      await change(documents)
      await expect.poll(() => dataOf(seen)).toEqual(expected)
      expect(await dataOf(unseen)).toEqual(expected)
    },
  )

  it('is loaded again if its user had no document and was given one', async () => {
    const [seen, unseen] = [await issue('carol'), await issue('carol')]
    expect(await dataOf(seen)).toEqual({})
    const document = { _id: 3, userId: 'carol', n: 3 }
    await documents.insertOne(document)
    await expect.poll(() => dataOf(seen)).toEqual(document)
    expect(await dataOf(unseen)).toEqual(document)
  })

  it('is served without a query if the document of another user has changed', async () => {
    const [seen, token] = [await issue('bob'), await issue('alice')]
    await dataOf(seen)
    await documents.updateOne({ _id: 2 }, { $set: { n: 2 } })
    await expect.poll(() => dataOf(seen)).toMatchObject({ n: 2 })
    serving.commands.clear()
    expect(await dataOf(token)).toMatchObject({ n: 1 })
    expect(loads()).toBe(0)
  })
})

describe('a token whose custom data has no `_id`', () => {
  const options = { userDataInToken: 'relaxed', projection: { _id: 0, n: 1 } } as const

  it.each([
    ['was deleted', () => documents.deleteOne({ userId: 'alice' })],
    [
      'was given to another user',
      () => documents.updateOne({ userId: 'alice' }, { $set: { userId: 'carol' } }),
    ],
  ])(
    'is loaded again by an instance that follows changes: the document that %s is not served',
    async (_what, change) => {
      const { userData } = await startFollower(serving.client.db(issuing.db.databaseName), {
        clock,
        ...options,
      })
      onTestFinished(() => userData.close())
      clock.advance(LATER_MS)
      const here = createTestUserData(issuing, { clock, ...options })
      const { access_token: token } = await here.issueTokens('alice')
      expect((await userData.verifyToken(token)).customData).toEqual({ n: 1 })
      await change()
      await expect.poll(async () => (await userData.verifyToken(token)).customData).toEqual({})
      expect(userData.stats().claimSnapshots).toBe(0)
    },
  )

  it('is served by an instance that does not follow changes', async () => {
    const userData = createTestUserData(issuing, { clock, ...options })
    const { access_token: token } = await createTestUserData(issuing, { clock, ...options }).issueTokens(
      'alice',
    )
    expect((await userData.verifyToken(token)).customData).toEqual({ n: 1 })
    expect(userData.stats().claimSnapshots).toBe(1)
  })
})

describe('a process whose streams cannot open yet', () => {
  it('loads instead of using data inside tokens, until the streams are open', async () => {
    const proxied = await openProxiedDatabase(issuing)
    const { proxy } = proxied
    const options = { clock, userDataInToken: 'relaxed' } as const
    const late = createFollower(proxied.db, options)
    onTestFinished(async () => {
      await late.userData.close()
    })
    const [old, changed] = [await issue('alice'), await issue('bob')]
    await documents.updateOne({ _id: 1 }, { $set: { n: 2 } })
    await documents.updateOne({ _id: 2 }, { $set: { userId: 'carol' } })
    proxy.holdAnswers()
    const answers = Promise.all([old, changed].map(token => late.userData.verifyToken(token)))
    let isServed = false
    answers.then(
      () => (isServed = true),
      () => undefined,
    )
    await expect.poll(() => proxy.holdsAnswer('ok')).toBe(true)
    expect(isServed).toBe(false)
    proxy.resume()
    expect((await answers).map(({ customData }) => customData)).toEqual([
      { _id: 1, userId: 'alice', n: 2 },
      {},
    ])
    await late.until('custom_data', 'open')
    await late.until('sessions', 'open')
    clock.advance(LATER_MS)
    const fresh = await issue('alice')
    proxied.commands.clear()
    expect((await late.userData.verifyToken(fresh)).customData).toMatchObject({ n: 2 })
    expect(proxied.commands.loads()).toHaveLength(0)
  })
})
