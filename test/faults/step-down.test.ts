import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startMongod } from '../../examples/support/start-mongod.js'
import type { StartedMongod } from '../../examples/support/start-mongod.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { startFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'
import { createTestUserData } from '../support/user-data.js'

const USERS = Array.from({ length: 20 }, (_user, n) => ({ _id: n, userId: `user-${n}`, n: 0 }))

let mongod: StartedMongod
let writing: TestDatabase
let client: MongoClient
let there: Follower
beforeAll(async () => {
  mongod = await startMongod({ count: 3 })
  writing = await openDatabase({ uri: mongod.uri })
  client = new MongoClient(mongod.uri)
  await documents().insertMany(USERS)
  there = await startFollower(client.db(writing.db.databaseName), { sessionTimeoutMs: 15_000 })
}, 60_000)
afterAll(async () => {
  there.userData.close()
  await client.close()
  await writing.close()
  await mongod.stop()
}, 60_000)

const documents = () => writing.db.collection<(typeof USERS)[number]>('custom_user_data')
const primary = async () => (await writing.client.db('admin').command({ hello: 1 }))['primary'] as unknown

it('nothing that was written or revoked around a step-down is stale in another process afterwards', async () => {
  const here = createTestUserData(writing, { sessionTimeoutMs: 15_000 })
  const { access_token: token, refresh_token } = await here.issueTokens('user-0')
  await there.userData.verifyToken(token)
  for (const { userId } of USERS) await there.dataOf(userId)
  const before = await primary()

  for (const { _id } of USERS) {
    if (_id === 10) {
      // The answer may be lost with the connection.
      const stepDown = { replSetStepDown: 20, force: true }
      await writing.client
        .db('admin')
        .command(stepDown)
        .catch(() => undefined)
    }
    await documents().updateOne({ _id }, { $inc: { n: 1 } })
  }
  await here.revoke({ sid: refresh_token.split('.')[0]! })

  expect(await primary()).not.toBe(before)
  for (const user of USERS) await there.seesOf(user.userId, { ...user, n: 1 })
  await expect.poll(() => there.errorOf(token)).toMatchObject({ code: 'invalid_token' })
  // Resumed, and not begun anew.
  expect(there.states.filter(({ state }) => state === 'open')).toHaveLength(2)
}, 60_000)
