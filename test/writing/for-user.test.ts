import type { Collection, Document } from 'mongodb'
import { Long, ObjectId } from 'mongodb'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, UserDocument } from 'express-custom-user-data'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { bearerOf } from '../support/guarded-app.js'
import { createTestUserData } from '../support/user-data.js'

const HEX = '64b7f3a1c2d4e5f601234567'

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`documents_${++collections}`)
})

type Options = Partial<CustomUserDataOptions<Document>>

function start(options: Options = {}) {
  const userData = createTestUserData(database, { collection, ...options })
  userData.events.on('warning', () => undefined)
  return userData
}

const forUser = (userId: string, options?: Options) => start(options).forUser(userId)
const stored = () => collection.find({}, { projection: { _id: 0 } }).toArray()

describe('for a user with several documents', () => {
  const idOfHex = ObjectId.createFromHexString(HEX)
  beforeEach(async () => {
    await collection.insertMany([
      { _id: 'z' as never, userId: idOfHex, n: 0 },
      { _id: 'y' as never, userId: [HEX], n: 0 },
      { _id: 'x' as never, userId: HEX, n: 0 },
      { _id: 'a' as never, userId: HEX, n: 0 },
      { _id: 'b' as never, userId: 'somebody else', n: 0 },
    ])
  })

  it.each<[string, (user: UserDocument<object>) => Promise<unknown>, number]>([
    ['update', user => user.update({ n: 1 }), 5],
    ['replace', user => user.replace({ n: 1 }), 5],
    ['delete', user => user.delete(), 4],
  ])('%s writes the one that a load would find, and no other', async (_name, write, count) => {
    await write(forUser(HEX))
    const after = await collection.find().toArray()
    expect(after).toHaveLength(count)
    expect(after.filter(({ n }) => n === 0).map(({ _id }) => String(_id))).toEqual(['z', 'y', 'a', 'b'])
    const written = after.find(({ _id }) => String(_id) === 'x')
    expect(written).toEqual(count === 5 ? { _id: 'x', userId: HEX, n: 1 } : undefined)
  })

  it('a document with the id as an ObjectId is written if none has it as a string, and the id keeps its type', async () => {
    await collection.deleteMany({ userId: HEX, _id: { $ne: 'y' as never } })
    expect(await forUser(HEX).replace({ n: 2 })).toEqual({ _id: 'z', userId: idOfHex, n: 2 })
  })

  it('the next document is used after the first was deleted', async () => {
    const user = forUser(HEX)
    expect(await user.delete()).toBe(true)
    expect(await user.read()).toMatchObject({ _id: 'a' })
  })
})

describe('update', () => {
  beforeEach(() => collection.insertOne({ userId: 'alice', language: 'en', tags: ['a'] }))

  it('sets fields, and leaves all other fields and undefined values alone', async () => {
    const after = await forUser('alice').update({ timezone: 'UTC', language: undefined })
    expect(after).toMatchObject({ userId: 'alice', language: 'en', timezone: 'UTC', tags: ['a'] })
    expect(await stored()).toEqual([{ userId: 'alice', language: 'en', tags: ['a'], timezone: 'UTC' }])
  })

  it('applies operators', async () => {
    const operators = { $set: { 'a.b': 1 }, $unset: { language: true }, $inc: { n: 2 }, $push: { tags: 'b' } }
    expect(await forUser('alice').update(operators)).toMatchObject({ a: { b: 1 }, n: 2, tags: ['a', 'b'] })
    expect(await stored()).toEqual([{ userId: 'alice', tags: ['a', 'b'], a: { b: 1 }, n: 2 }])
  })

  it.each<[string, object]>([
    ['the user id field', { userId: 'bob' }],
    ['_id', { _id: 1 }],
    ['the user id field, by an operator', { $set: { userId: 'bob' } }],
    ['the user id field, by $unset', { $unset: { userId: true } }],
    ['a path below the user id field', { $set: { 'userId.x': 1 } }],
    ['the user id field, by renaming another field to it', { $rename: { language: 'userId' } }],
    ['the user id field, by renaming it', { $rename: { userId: 'x' } }],
    ['_id, by an operator', { $inc: { _id: 1 } }],
    ['anything by fields and operators at once', { language: 'de', $inc: { n: 1 } }],
    ['anything by a path without an operator', { 'a.b': 1 }],
    ['anything by a pipeline', [{ $set: { language: 'de' } }]],
    ['anything by null', null as never],
    ['anything by an operator without fields', { $set: 1 }],
  ])('does not change %s', async (_name, change) => {
    const before = await collection.find().toArray()
    await expect(forUser('alice').update(change)).rejects.toThrow(TypeError)
    expect(await collection.find().toArray()).toEqual(before)
  })

  it('protects the parents of a dotted user id field, and leaves its siblings free', async () => {
    await collection.insertOne({ account: { id: 'bob', plan: 'free' } })
    const user = forUser('bob', { userIdField: 'account.id' })
    for (const change of [
      { account: { id: 'x' } },
      { $set: { 'account.id': 'x' } },
      { $unset: { account: 1 } },
    ])
      await expect(user.update(change)).rejects.toThrow(/account/)
    expect(await user.update({ $set: { 'account.plan': 'paid' } })).toMatchObject({
      account: { id: 'bob', plan: 'paid' },
    })
  })

  it('rejects with an error of this package if MongoDB does not know an operator, and the cause says why', async () => {
    await expect(forUser('alice').update({ $nonsense: { a: 1 } })).rejects.toMatchObject({
      code: 'write_refused',
      cause: { name: 'MongoServerError', code: 9 },
    })
  })

  it('is a conflict if a unique index refuses the value', async () => {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
    await collection.createIndex({ name: 1 }, { unique: true, sparse: true })
    await collection.insertOne({ userId: 'bob', name: 'taken' })
    const error = { code: 'custom_data_conflict', status: 409 }
    await expect(forUser('alice').update({ name: 'taken' })).rejects.toMatchObject(error)
    await expect(forUser('carol').update({ name: 'taken' }, { upsert: true })).rejects.toMatchObject(error)
  })

  it('is refused if the collection’s validator refuses the value', async () => {
    await database.db.command({
      collMod: collection.collectionName,
      validator: { language: { $in: ['en', 'de'] } },
    })
    const refused = forUser('alice').update({ language: 'xx' })
    await expect(refused).rejects.toMatchObject({ code: 'custom_data_refused', status: 422 })
  })
})

describe('replace', () => {
  it('accepts a document that was read, and keeps _id and the user’s id whether or not they are given', async () => {
    const { insertedId } = await collection.insertOne({ account: { id: 'bob', plan: 'free' }, n: 1 })
    const user = forUser('bob', { userIdField: 'account.id' })
    await user.replace({ ...(await user.read()), n: 2 })
    expect(await collection.find().toArray()).toEqual([
      { _id: insertedId, account: { id: 'bob', plan: 'free' }, n: 2 },
    ])
    await user.replace({ m: 3 })
    expect(await collection.find().toArray()).toEqual([{ _id: insertedId, m: 3, account: { id: 'bob' } }])
  })

  it.each<[string, object]>([
    ['another user’s id', { userId: 'bob' }],
    ['operators', { $set: { a: 1 } }],
    ['a list', []],
  ])('refuses %s', async (_name, document) => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    await expect(forUser('alice').replace(document)).rejects.toThrow(TypeError)
    expect(await stored()).toEqual([{ userId: 'alice', n: 1 }])
  })

  it('refuses another _id', async () => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    await expect(forUser('alice').replace({ _id: 'other' })).rejects.toMatchObject({
      code: 'write_refused',
      cause: { code: 66 },
    })
  })

  it('keeps the type of an id that is a 64-bit number', async () => {
    await collection.insertOne({ userId: Long.fromNumber(7), n: 1 })
    await forUser('7', { toFieldValues: id => [Number(id)] }).replace({ n: 2 })
    expect(await collection.countDocuments({ userId: { $type: 'long' }, n: 2 })).toBe(1)
  })
})

describe('a user without a document', () => {
  it('does not get one without upsert', async () => {
    const user = forUser('alice')
    expect(await user.read()).toBeUndefined()
    expect(await user.update({ n: 1 })).toBeUndefined()
    expect(await user.replace({ n: 1 })).toBeUndefined()
    expect(await user.delete()).toBe(false)
    expect(await stored()).toEqual([])
  })

  it.each<[string, (user: UserDocument<object>) => Promise<unknown>]>([
    ['update', user => user.update({ n: 1 }, { upsert: true })],
    ['an update by operators', user => user.update({ $inc: { n: 1 } }, { upsert: true })],
    ['replace', user => user.replace({ n: 1 }, { upsert: true })],
  ])('gets one by %s with upsert', async (_name, write) => {
    expect(await write(forUser(HEX))).toEqual({ _id: ObjectId.createFromHexString(HEX), userId: HEX, n: 1 })
    await collection.deleteMany({})
    expect(await write(forUser('bob', { userIdField: 'account.id' }))).toMatchObject({
      account: { id: 'bob' },
    })
    await collection.deleteMany({})
    expect(await write(forUser('bob', { userIdField: '_id' }))).toEqual({ _id: 'bob', n: 1 })
    await collection.deleteMany({})
    expect(await write(forUser('42', { toFieldValues: id => [Number(id)] }))).toMatchObject({ userId: 42 })
  })

  it('gets exactly one by many parallel writes, without a unique index', async () => {
    const users = [forUser('alice'), forUser('alice')]
    const writes = Array.from({ length: 20 }, (_value, i) =>
      users[i % 2]!.update({ $inc: { n: 1 } }, { upsert: true }),
    )
    await Promise.all(writes)
    expect(await stored()).toEqual([{ userId: 'alice', n: 20 }])
  })

  it('gets one even if another user’s document has the _id made for it', async () => {
    await collection.insertOne({ _id: ObjectId.createFromHexString(HEX), userId: 'bob' })
    expect(await forUser(HEX).update({ n: 1 }, { upsert: true })).toMatchObject({ userId: HEX, n: 1 })
    expect(await stored()).toEqual([{ userId: 'bob' }, { userId: HEX, n: 1 }])
  })

  it('gets none if toFieldValues returns no value', async () => {
    const user = forUser('alice', { toFieldValues: () => [] })
    await expect(user.replace({ n: 1 }, { upsert: true })).rejects.toMatchObject({ code: 'callback_failed' })
    expect(await stored()).toEqual([])
  })
})

describe('the user’s snapshot', () => {
  it.each<[string, (user: UserDocument<object>) => Promise<unknown>, object]>([
    ['update', user => user.update({ n: 2 }), { n: 2 }],
    ['replace', user => user.replace({ m: 2 }), { m: 2 }],
    ['delete', user => user.delete(), {}],
  ])('is dropped in this process by %s', async (_name, write, expected) => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    const userData = start()
    const token = bearerOf('alice').slice('Bearer '.length)
    expect((await userData.verifyToken(token)).customData).toMatchObject({ n: 1 })
    await write(userData.forUser('alice'))
    const { customData } = await userData.verifyToken(token)
    expect(customData).toMatchObject(expected)
    expect(customData).not.toMatchObject({ n: 1 })
  })

  it('is kept with invalidate: false', async () => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    const userData = start()
    const token = bearerOf('alice').slice('Bearer '.length)
    await userData.verifyToken(token)
    await userData.forUser('alice').update({ lastLogin: new Date() }, { invalidate: false })
    expect((await userData.verifyToken(token)).customData).not.toHaveProperty('lastLogin')
  })
})

describe('a write', () => {
  it('waits for the majority, and compares ids exactly', async () => {
    await collection.drop().catch(() => undefined)
    await database.db.createCollection(collection.collectionName, {
      collation: { locale: 'en', strength: 2 },
    })
    await collection.insertMany([{ userId: 'BOB', n: 1 }])
    database.commands.clear()
    expect(await forUser('bob').update({ n: 2 })).toBeUndefined()
    expect(await forUser('bob').update({ n: 2 }, { upsert: true })).toMatchObject({ userId: 'bob', n: 2 })
    await forUser('bob').delete()
    expect(await stored()).toEqual([{ userId: 'BOB', n: 1 }])
    for (const { command } of database.commands.named('update', 'insert', 'delete'))
      expect(command['writeConcern']).toMatchObject({ w: 'majority' })
  })

  it('that MongoDB does not finish in time is a 503, and drops the user’s snapshot', async () => {
    const proxied = await openProxiedDatabase(database)
    const { proxy } = proxied
    const userData = createTestUserData(proxied, { writeTimeoutMs: 200 })
    const token = bearerOf('alice').slice('Bearer '.length)
    await userData.verifyToken(token)
    proxy.pause()
    const write = userData.forUser('alice').update({ n: 1 })
    await expect(write).rejects.toMatchObject({ code: 'custom_data_unavailable', status: 503 })
    await proxy.restore()
    proxied.commands.clear()
    await userData.verifyToken(token)
    expect(proxied.commands.loads()).toHaveLength(1)
  })
})
