import { BSON } from 'mongodb'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { ID_FIELD, sendOperation, startCollection } from '../support/own-collection.js'

const database = useDatabase()

test('find and findOne give the own document, and nothing to a user without one', async () => {
  const { logIn } = await startCollection(database)
  const { collection, id } = await logIn()
  expect(await collection.find()).toEqual([])
  expect(await collection.findOne()).toBeNull()
  await collection.insertOne({ theme: 'dark', [ID_FIELD]: id })
  expect(await collection.find({ theme: 'dark' }, { limit: 0, sort: { theme: 1 } })).toEqual([
    { _id: expect.anything(), theme: 'dark', [ID_FIELD]: id },
  ])
  expect(await collection.findOne({ theme: 'light' })).toBeNull()
  expect(await collection.findOne({ [ID_FIELD]: id }, { projection: { theme: 1, _id: 0 } })).toEqual({
    theme: 'dark',
  })
})

test('no user sees the document of another user, whatever the filter is', async () => {
  const { logIn } = await startCollection(database)
  const [alice, bob] = [await logIn(), await logIn()]
  await alice.collection.insertOne({ secret: 'of alice' })
  await bob.collection.insertOne({ secret: 'of bob' })
  const { collection } = bob
  for (const filter of [
    {},
    { [ID_FIELD]: alice.id },
    { $or: [{ [ID_FIELD]: alice.id }, {}] },
    { secret: /alice/ },
  ]) {
    expect(JSON.stringify(await collection.find(filter))).not.toContain('of alice')
    expect(await collection.count(filter)).toBeLessThan(2)
  }
  expect(await collection.count({ secret: 'of alice' })).toBe(0)
  expect(await collection.count()).toBe(1)
})

test('insertOne stores the own id, answers the _id, and refuses a second document', async () => {
  const { logIn, stored } = await startCollection(database)
  const { collection, id } = await logIn()
  const { insertedId } = await collection.insertOne({ theme: 'dark' })
  expect(await stored(id)).toEqual([
    { _id: new BSON.ObjectId(String(insertedId)), theme: 'dark', [ID_FIELD]: id },
  ])
  await expect(collection.insertOne({ theme: 'light' })).rejects.toThrow(/Duplicate key error/)
  expect(await stored(id)).toMatchObject([{ theme: 'dark' }])
})

test('insertMany stores one document, and refuses several', async () => {
  const { logIn, stored } = await startCollection(database)
  const { collection, id } = await logIn()
  await expect(collection.insertMany([{ a: 1 }, { a: 2 }])).rejects.toThrow(/Duplicate key error/)
  expect(await stored(id)).toEqual([])
  const { insertedIds } = await collection.insertMany([{ a: 1 }])
  expect(insertedIds.map(String)).toEqual((await stored(id)).map(({ _id }) => String(_id)))
})

test('of two parallel inserts one succeeds', async () => {
  const { logIn, stored } = await startCollection(database)
  const { collection, id } = await logIn()
  const results = await Promise.allSettled([1, 2, 3].map(n => collection.insertOne({ n })))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await stored(id)).toHaveLength(1)
})

test('updateOne and updateMany answer the counts of MongoDB', async () => {
  const { logIn } = await startCollection(database)
  const { collection } = await logIn()
  await collection.insertOne({ credits: 3, tags: [{ n: 1 }, { n: 2 }] })
  expect(await collection.updateOne({ credits: 3 }, { $inc: { credits: 1 } })).toEqual({
    matchedCount: 1,
    modifiedCount: 1,
  })
  expect(await collection.updateMany({ credits: 4 }, { $set: { credits: 4 } })).toEqual({
    matchedCount: 1,
    modifiedCount: 0,
  })
  expect(await collection.updateOne({ credits: 99 }, { $set: { credits: 5 } })).toEqual({
    matchedCount: 0,
    modifiedCount: 0,
  })
  const options = { arrayFilters: [{ 'late.n': { $gt: 1 } }] }
  await collection.updateOne({}, { $set: { 'tags.$[late].done': true } }, options)
  await collection.updateOne({ 'tags.n': 1 }, { $set: { 'tags.$.first': true } })
  expect(await collection.findOne()).toMatchObject({
    tags: [
      { n: 1, first: true },
      { n: 2, done: true },
    ],
  })
})

test('an update without operators sets the fields, and keeps the others', async () => {
  const { logIn } = await startCollection(database)
  const { collection, id } = await logIn()
  await collection.insertOne({ a: 1, b: 1 })
  const document = (await collection.findOne())!
  await collection.updateOne({ [ID_FIELD]: id }, { ...document, a: 2 })
  await collection.updateOne({}, { c: 3 })
  expect(await collection.findOne()).toEqual({ ...document, a: 2, c: 3 })
})

test('an upsert creates the document and answers its _id, and changes it the next time', async () => {
  const { logIn, stored } = await startCollection(database)
  const { collection, id } = await logIn()
  const upsert = (theme: string) =>
    collection.updateOne({ [ID_FIELD]: id }, { $set: { theme, [ID_FIELD]: id } }, { upsert: true })
  const { matchedCount, upsertedId } = await upsert('dark')
  expect({ matchedCount, id: String(upsertedId) }).toEqual({
    matchedCount: 0,
    id: String((await stored(id))[0]?.['_id']),
  })
  expect(await upsert('light')).toEqual({ matchedCount: 1, modifiedCount: 1 })
  await expect(collection.updateOne({ theme: 'blue' }, { $set: { a: 1 } }, { upsert: true })).rejects.toThrow(
    /Duplicate key error/,
  )
  expect(await stored(id)).toMatchObject([{ theme: 'light' }])
})

test('findOneAndUpdate answers the document before or after the change, and null without a match', async () => {
  const { logIn } = await startCollection(database)
  const { collection } = await logIn()
  expect(await collection.findOneAndUpdate({}, { $set: { n: 0 } })).toBeNull()
  expect(await collection.findOneAndUpdate({}, { $set: { n: 1 } }, { upsert: true })).toBeNull()
  expect(await collection.findOneAndUpdate({}, { $inc: { n: 1 } })).toMatchObject({ n: 1 })
  const options = { returnNewDocument: true, projection: { n: 1, _id: 0 } }
  expect(await collection.findOneAndUpdate({ n: 2 }, { $inc: { n: 1 } }, options)).toEqual({ n: 3 })
  expect(await collection.findOneAndUpdate({ n: 2 }, { $inc: { n: 1 } }, options)).toBeNull()
})

test('findOneAndReplace replaces all fields but _id and the id of the user', async () => {
  const { logIn } = await startCollection(database)
  const { collection, id } = await logIn()
  await collection.insertOne({ a: 1, b: 1 })
  const before = (await collection.findOne())!
  expect(await collection.findOneAndReplace({ a: 1 }, { ...before, a: 2 })).toEqual(before)
  expect(await collection.findOneAndReplace({}, { c: 1 }, { returnNewDocument: true })).toEqual({
    _id: before._id,
    [ID_FIELD]: id,
    c: 1,
  })
})

test('findOneAndDelete of the client arrives as a replacement without a document, and deletes', async () => {
  const { logIn, stored } = await startCollection(database)
  const { collection, id } = await logIn()
  await collection.insertOne({ a: 1 })
  expect(await collection.findOneAndDelete({ a: 2 })).toBeNull()
  expect(await stored(id)).toHaveLength(1)
  expect(await collection.findOneAndDelete({ a: 1 }, { projection: { a: 1, _id: 0 } })).toEqual({ a: 1 })
  expect(await stored(id)).toEqual([])
})

test('deleteOne and deleteMany delete the own document alone', async () => {
  const { logIn, stored } = await startCollection(database)
  const [alice, bob] = [await logIn(), await logIn()]
  await alice.collection.insertOne({ a: 1 })
  await bob.collection.insertOne({ a: 1 })
  expect(await bob.collection.deleteOne({ a: 2 })).toEqual({ deletedCount: 0 })
  expect(await bob.collection.deleteMany({})).toEqual({ deletedCount: 1 })
  expect(await bob.collection.deleteMany({ [ID_FIELD]: alice.id })).toEqual({ deletedCount: 0 })
  expect([await stored(alice.id), await stored(bob.id)]).toMatchObject([[{ a: 1 }], []])
})

test('aggregate runs the stages that stay inside of the document', async () => {
  const { logIn } = await startCollection(database)
  const { collection } = await logIn()
  expect(await collection.aggregate([{ $count: 'n' }])).toEqual([])
  await collection.insertOne({ a: 1, b: { c: 2, d: 3 } })
  const stages = [
    { $match: { a: 1 } },
    { $sort: { a: 1 } },
    { $limit: 5 },
    { $project: { 'b.c': 1, _id: 0 } },
  ]
  expect(await collection.aggregate(stages)).toEqual([{ b: { c: 2 } }])
  expect(await collection.aggregate([{ $match: { a: 2 } }])).toEqual([])
  expect(await collection.aggregate([{ $match: {} }, { $count: 'n' }])).toEqual([{ n: 1 }])
  expect(await collection.aggregate([{ $skip: 1 }])).toEqual([])
})

test('values keep their types on the way to MongoDB and back', async () => {
  const { service, logIn, stored } = await startCollection(database)
  const { user, collection, id } = await logIn()
  const values = {
    long: { $numberLong: '9007199254740993' },
    double: { $numberDouble: '3.0' },
    decimal: { $numberDecimal: '1.10' },
    date: { $date: { $numberLong: '-1' } },
    binary: { $binary: { base64: 'AQI=', subType: '00' } },
    oid: { $oid: '65f0a1c2d3e4f5a6b7c8d9e0' },
  }
  expect((await sendOperation(service, user, 'insertOne', { document: values })).status).toBe(200)
  const [raw] = await database.db
    .collection('custom_user_data')
    .aggregate([
      { $match: { [ID_FIELD]: id } },
      { $project: { long: { $type: '$long' }, double: { $type: '$double' } } },
    ])
    .toArray()
  expect(raw).toMatchObject({ long: 'long', double: 'double' })
  expect(await stored(id)).toMatchObject([
    { decimal: BSON.Decimal128.fromString('1.10'), date: new Date(-1) },
  ])
  const { body } = await sendOperation(service, user, 'findOne', { project: { _id: 0, userId: 0 } })
  // Numbers of JavaScript do not tell a double from an integer. No client of JavaScript could either.
  expect(body).toEqual({ ...values, double: { $numberInt: '3' } })
  expect(await collection.findOne({ long: BSON.Long.fromString('9007199254740993') })).not.toBeNull()
})

test('a change is visible to handlers and in the next token at once', async () => {
  const { service, logIn } = await startCollection(database)
  const { user, collection } = await logIn()
  await collection.insertOne({ theme: 'dark' })
  expect(await service.userData.forUser(user.id).read()).toMatchObject({ theme: 'dark' })
  expect(await user.refreshCustomData()).toMatchObject({ theme: 'dark' })
})

test('a user whose record is gone neither finds nor creates a document, and is logged out', async () => {
  const { logIn, stored } = await startCollection(database)
  const users = database.db.collection('custom_user_data_app_services_users')
  const calls = [
    ({ collection }: LoggedIn) => collection.findOne({}),
    ({ collection }: LoggedIn) => collection.insertOne({ n: 1 }),
    ({ collection }: LoggedIn) => collection.updateOne({}, { $set: { n: 1 } }, { upsert: true }),
  ]
  for (const call of calls) {
    const loggedIn = await logIn()
    await users.deleteOne({ _id: new BSON.ObjectId(loggedIn.id) })
    await expect(call(loggedIn)).rejects.toMatchObject({ statusCode: 401, errorCode: 'InvalidSession' })
    expect(loggedIn.user.isLoggedIn).toBe(false)
    expect(await stored(loggedIn.id)).toEqual([])
  }
})

type LoggedIn = Awaited<ReturnType<Awaited<ReturnType<typeof startCollection>>['logIn']>>
