import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { WarningEvent } from 'express-custom-user-data'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startMongod } from '../examples/support/start-mongod.js'
import type { StartedMongod } from '../examples/support/start-mongod.js'
import { openDatabase } from './support/database.js'
import type { TestDatabase } from './support/database.js'
import { loadCustomData } from './support/guarded-app.js'
import { createTestUserData } from './support/user-data.js'

let database: TestDatabase
beforeAll(async () => {
  database = await openDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await database.db.dropDatabase()
  database.commands.clear()
})

const profiles = () => database.db.collection('custom_user_data')
const creations = () => database.commands.named('createIndexes').length
const indexNames = async (name: string) =>
  (await database.db.collection(name).indexes()).map(index => index.name)

describe('ready()', () => {
  it('makes the indexes once, and then only pings', async () => {
    const userData = createTestUserData(database)
    await userData.ready()
    expect(await indexNames('custom_user_data')).toEqual(['_id_', 'express_custom_user_data'])
    expect(await indexNames('sessions')).toEqual(['_id_', 'session_expiry', 'session_user'])
    database.commands.clear()
    await Promise.all([userData.ready(), userData.ready()])
    expect(new Set(database.commands.map(({ name }) => name))).toEqual(new Set(['find']))
  })

  it("makes a plain index of simple collation on the user id, whatever the collection's own", async () => {
    await database.db.createCollection('custom_user_data', { collation: { locale: 'en', strength: 2 } })
    await createTestUserData(database).ready()
    const index = (await profiles().indexes()).find(({ name }) => name === 'express_custom_user_data')
    expect(index).toMatchObject({ key: { userId: 1 } })
    expect(index).not.toHaveProperty('collation')
    expect(index).not.toHaveProperty('unique')
  })

  it('makes no index where a fit one is there, by whatever name', async () => {
    await profiles().createIndexes([{ key: { userId: 1 }, name: 'theirs' }])
    await createTestUserData(database).ready()
    expect(await indexNames('custom_user_data')).toEqual(['_id_', 'theirs'])
  })

  it('makes none for _id', async () => {
    await profiles().insertOne({})
    await createTestUserData(database, { userIdField: '_id' }).ready()
    expect(await indexNames('custom_user_data')).toEqual(['_id_'])
  })

  it('makes a unique index that leaves documents without a user alone, where the team wants one', async () => {
    await profiles().insertMany([{ note: 'no user' }, { note: 'none either' }, { userId: 'alice' }])
    await createTestUserData(database, { uniqueUserId: true }).ready()
    await expect(profiles().insertOne({ userId: 'alice' })).rejects.toThrow(/duplicate key/)
    await profiles().insertOne({ note: 'no user' })
  })

  it('fails loudly where duplicates stand against the unique index, until they are gone', async () => {
    await profiles().insertMany([
      { _id: 1, userId: 'alice' },
      { _id: 2, userId: 'alice' },
    ] as never[])
    const userData = createTestUserData(database, { uniqueUserId: true })
    await expect(userData.ready()).rejects.toMatchObject({
      code: 'user_id_index_conflict',
      message: expect.stringMatching(/\$group.*createIndex\(/),
    })
    await profiles().deleteOne({ _id: 2 as never })
    await userData.ready()
  })

  it('is started by first use too', async () => {
    const userData = createTestUserData(database)
    await loadCustomData(userData, 'alice')
    await vi.waitFor(async () => expect(await indexNames('sessions')).toHaveLength(3))
    expect(creations()).toBeGreaterThan(0)
  })
})

describe('where the database user may not make indexes', () => {
  let mongod: StartedMongod
  let restricted: MongoClient
  const password = randomBytes(8).toString('hex')
  beforeAll(async () => {
    mongod = await startMongod({ args: ['--setParameter', 'enableTestCommands=1'] })
    restricted = new MongoClient(mongod.uri)
  }, 60_000)
  afterAll(async () => {
    await restricted.close()
    await mongod.stop()
  })

  it('it is ready all the same, and a warning has the command to run', async () => {
    // As the server answers a user without the right: with the code of Unauthorized.
    await restricted.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: 'alwaysOn',
      data: { failCommands: ['createIndexes'], errorCode: 13 },
    })
    const warnings: WarningEvent[] = []
    const userData = createTestUserData({ db: restricted.db(`restricted_${password}`) })
    userData.events.on('warning', warning => warnings.push(warning))
    await userData.ready()
    expect(warnings.map(({ code }) => code)).toEqual([
      'user_id_index_missing',
      'session_index_missing',
      'session_index_missing',
    ])
    expect(warnings[0]!.message).toContain(
      'db.getCollection("custom_user_data").createIndex({"userId":1}, {"name":"express_custom_user_data",',
    )
    await restricted
      .db(`restricted_${password}`)
      .collection('custom_user_data')
      .insertOne({ userId: 'alice', n: 1 })
    expect(await loadCustomData(userData, 'alice')).toMatchObject({ n: 1 })
  })
})
