import express from 'express'
import { ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserData, CustomUserDataOptions } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const HEX = '64b7f3a1c2d4e5f601234567'
const AS_OBJECT_ID = ObjectId.createFromHexString(HEX)

type Options = Partial<CustomUserDataOptions<Document>>
type Create = (userData: CustomUserData<object>) => Promise<unknown>

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`new_documents_${++collections}`)
})

const HOOKS: Options = { hooks: { createCustomData: () => ({ n: 1 }) } }

function start(options: Options = {}) {
  const userData = createTestUserData(database, { collection, ...options })
  userData.events.on('warning', () => undefined)
  return userData
}

async function putOwnData(userData: CustomUserData<object>): Promise<void> {
  const app = express()
    .use(userData.authenticate())
    .use('/me', userData.ownData({ fields: ['n'], upsert: true }))
    .use(userData.errorHandler())
  const { access_token } = await userData.issueTokens(HEX)
  const answer = await request(app).patch('/me').auth(access_token, { type: 'bearer' }).send({ n: 1 })
  expect(answer.status).toBeLessThan(300)
}

const WAYS: readonly [way: string, create: Create, given?: Options][] = [
  ['update()', userData => userData.forUser(HEX).update({ n: 1 }, { upsert: true })],
  ['replace()', userData => userData.forUser(HEX).replace({ n: 1 }, { upsert: true })],
  ['createCustomData', userData => userData.issueTokens(HEX), HOOKS],
  ['ownData()', putOwnData],
]

describe.each(WAYS)('a new document of %s', (_way, create, given) => {
  const stored = async (field = 'userId') =>
    (await collection.find({ n: 1 }).toArray()).map(one => one[field] as unknown)

  it.each([false, true])(
    'has the user id as an ObjectId if the stored ids are ObjectIds (with an index: %j)',
    async hasIndex => {
      await collection.insertMany([{ userId: new ObjectId() }, { userId: 7 }, { name: 'nobody' }])
      const userData = start(given)
      if (hasIndex) await userData.ready()
      await create(userData)
      expect(await stored()).toEqual([AS_OBJECT_ID])
    },
  )

  it('has it as an ObjectId also with a unique index, which refuses a second one', async () => {
    await collection.insertOne({ userId: new ObjectId() })
    const userData = start({ ...given, uniqueUserId: true })
    await userData.ready()
    await create(userData)
    expect(await stored()).toEqual([AS_OBJECT_ID])
    await expect(collection.insertOne({ userId: AS_OBJECT_ID })).rejects.toThrow('E11000')
  })

  it.each<[string, Document[]]>([
    ['the collection is empty', []],
    ['no document has the field', [{ name: 'nobody' }]],
    ['the stored ids are texts', [{ userId: 'alice' }]],
    ['both kinds are stored', [{ userId: new ObjectId() }, { userId: 'alice' }]],
    ['both kinds are stored, the text in a list', [{ userId: new ObjectId() }, { userId: ['alice'] }]],
  ])('has the user id as a text if %s', async (_what, documents) => {
    if (documents.length > 0) await collection.insertMany(documents)
    await create(start(given))
    expect(await stored()).toEqual([HEX])
  })

  it('has the first value of toFieldValues, whatever is stored', async () => {
    await collection.insertOne({ userId: new ObjectId() })
    await create(start({ ...given, toFieldValues: id => [id, ObjectId.createFromHexString(id)] }))
    expect(await stored()).toEqual([HEX])
  })

  it('has an ObjectId in a field of an object, and in _id', async () => {
    await collection.insertOne({ account: { id: new ObjectId() } })
    await create(start({ ...given, userIdField: 'account.id' }))
    expect(await stored('account')).toEqual([{ id: AS_OBJECT_ID }])
    await collection.deleteMany({ n: 1 })
    await create(start({ ...given, userIdField: '_id' }))
    expect(await stored('_id')).toEqual([AS_OBJECT_ID])
  })

  it('is the only one if several are created at once', async () => {
    await collection.insertOne({ userId: new ObjectId() })
    const others = [HOOKS, HOOKS, {}, {}].map(options => start(options))
    await Promise.all([
      create(start(given)),
      ...others.map(userData => userData.issueTokens(HEX)),
      ...others.map(userData => userData.forUser(HEX).update({ n: 1 }, { upsert: true })),
    ])
    expect(await stored()).toEqual([AS_OBJECT_ID])
  })
})

describe('a user id that is no ObjectId', () => {
  it('is stored as a text although the stored ids are ObjectIds', async () => {
    await collection.insertOne({ userId: new ObjectId() })
    await start().forUser('alice').update({ n: 1 }, { upsert: true })
    expect(await collection.countDocuments({ userId: 'alice' })).toBe(1)
  })
})

describe('a new document that names the _id of another document', () => {
  beforeEach(() => collection.insertOne({ _id: 'taken' as never, userId: 'bob' }))
  const stored = () => collection.find().toArray()

  it('is a conflict for replace() at once, and is not tried until the deadline', async () => {
    const user = start({ writeTimeoutMs: 3_000 }).forUser(HEX)
    const call = user.replace({ _id: 'taken', n: 1 }, { upsert: true })
    await expect(call).rejects.toMatchObject({ code: 'custom_data_conflict', status: 409 })
    expect(await stored()).toEqual([{ _id: 'taken', userId: 'bob' }])
  })

  it('is a mistake of the hook createCustomData, and no login without a document', async () => {
    const userData = start({ hooks: { createCustomData: () => ({ _id: 'taken', n: 1 }) } })
    await expect(userData.issueTokens(HEX)).rejects.toMatchObject({
      code: 'callback_failed',
      cause: { code: 'custom_data_conflict' },
    })
    expect(await stored()).toEqual([{ _id: 'taken', userId: 'bob' }])
  })
})
