import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { ID_FIELD, sendOperation, startCollection } from '../support/own-collection.js'
import type { Row } from '../support/own-collection.js'

const database = useDatabase()

/** Two users with a document each. The second is the one who attacks. */
async function startWithVictim(options: Parameters<typeof startCollection>[1] = {}) {
  const started = await startCollection(database, options)
  const [victim, attacker] = [await started.logIn(), await started.logIn()]
  const { userData } = started.service
  for (const { id } of [victim, attacker])
    await userData.forUser(id).replace({ n: 1, list: [1, 2], secret: `of ${id}` }, { upsert: true })
  const all = async () => ({
    victim: await started.stored(victim.id),
    attacker: await started.stored(attacker.id),
  })
  const send = (name: string, args: Row) => sendOperation(started.service, attacker.user, name, args)
  return { ...started, victim, attacker, all, send }
}

const OTHER = '65f0a1c2d3e4f5a6b7c8d9e0'

test.each<[string, string, Row, number]>([
  ['sets the id', 'updateOne', { update: { $set: { [ID_FIELD]: OTHER } } }, 403],
  ['sets the id as an ObjectId', 'updateOne', { update: { $set: { [ID_FIELD]: { $oid: OTHER } } } }, 403],
  ['sets the id in a plain document', 'updateOne', { update: { [ID_FIELD]: OTHER, n: 2 } }, 403],
  ['sets a path below the id', 'updateOne', { update: { $set: { [`${ID_FIELD}.x`]: 1 } } }, 403],
  ['sets the id by a positional path', 'updateOne', { update: { $set: { '$[]': OTHER } } }, 400],
  [
    'sets the id by a filtered path',
    'updateOne',
    { update: { $set: { '$[x]': 1 } }, arrayFilters: [{ x: 1 }] },
    400,
  ],
  [
    'sets the id of new documents',
    'updateOne',
    { update: { $setOnInsert: { [ID_FIELD]: OTHER } }, upsert: true },
    403,
  ],
  ['unsets the id', 'updateOne', { update: { $unset: { [ID_FIELD]: 1 } } }, 403],
  ['renames the id', 'updateOne', { update: { $rename: { [ID_FIELD]: 'x' } } }, 403],
  ['renames a field to the id', 'updateOne', { update: { $rename: { secret: ID_FIELD } } }, 403],
  ['renames a field to the _id', 'updateOne', { update: { $rename: { secret: '_id' } } }, 403],
  ['sets another _id', 'updateOne', { update: { $set: { _id: { $oid: OTHER } } } }, 403],
  ['sets the _id by operators', 'updateOne', { update: { $set: { _id: { $gt: 0 } } } }, 400],
  ['increments the id', 'updateMany', { update: { $inc: { [ID_FIELD]: 1 } } }, 403],
  ['pushes to the id', 'updateMany', { update: { $push: { [ID_FIELD]: OTHER } } }, 403],
  ['updates by a pipeline', 'updateOne', { update: [{ $set: { [ID_FIELD]: OTHER } }] }, 400],
  ['finds and updates the id', 'findOneAndUpdate', { update: { $set: { [ID_FIELD]: OTHER } } }, 403],
  ['replaces by a document with another id', 'findOneAndReplace', { update: { [ID_FIELD]: OTHER } }, 403],
  ['replaces by a document with another _id', 'findOneAndReplace', { update: { _id: { $oid: OTHER } } }, 403],
  ['replaces by operators', 'findOneAndReplace', { update: { $set: { n: 2 } } }, 400],
  [
    'upserts for another user',
    'updateOne',
    { query: { [ID_FIELD]: OTHER }, update: { $set: { n: 2 } }, upsert: true },
    403,
  ],
  [
    'upserts for another user inside of $and',
    'updateOne',
    { query: { $and: [{ [ID_FIELD]: { $eq: OTHER } }] }, update: { $set: { n: 2 } }, upsert: true },
    403,
  ],
  ['inserts with an _id', 'insertOne', { document: { _id: { $oid: OTHER } } }, 403],
  ['inserts a second document', 'insertOne', { document: { n: 2 } }, 400],
  ['inserts several documents', 'insertMany', { documents: [{ n: 2 }, { n: 3 }] }, 400],
  ['filters by JavaScript', 'find', { query: { $where: 'true' } }, 400],
  [
    'filters by a function',
    'find',
    { query: { $expr: { $function: { body: 'x', args: [], lang: 'js' } } } },
    400,
  ],
  ['filters by a loop', 'find', { query: { $expr: { $map: { input: '$list', in: 1 } } } }, 400],
  ['filters by text', 'find', { query: { $text: { $search: 'x' } } }, 400],
  ['filters by an expression in a field', 'find', { query: { n: { $not: { $expr: true } } } }, 400],
  ['filters by a text', 'find', { query: 'n' }, 400],
  ['filters by a list', 'deleteMany', { query: [] }, 400],
  ['filters by an unknown operator', 'find', { query: { n: { $foo: 1 } } }, 400],
  ['projects by an expression', 'find', { project: { x: '$secret' } }, 400],
  ['projects by an operator', 'find', { project: { list: { $slice: 1 } } }, 400],
  ['projects colliding paths', 'find', { project: { a: 1, 'a.b': 1 } }, 400],
  [
    'looks up other documents',
    'aggregate',
    { pipeline: [{ $lookup: { from: 'custom_user_data', as: 'x', pipeline: [] } }] },
    400,
  ],
  ['unites with other documents', 'aggregate', { pipeline: [{ $unionWith: 'custom_user_data' }] }, 400],
  ['looks up a graph', 'aggregate', { pipeline: [{ $graphLookup: {} }] }, 400],
  ['groups', 'aggregate', { pipeline: [{ $group: { _id: null } }] }, 400],
  ['writes by $out', 'aggregate', { pipeline: [{ $out: 'custom_user_data' }] }, 400],
  ['writes by $merge', 'aggregate', { pipeline: [{ $merge: { into: 'custom_user_data' } }] }, 400],
  ['matches by JavaScript', 'aggregate', { pipeline: [{ $match: { $where: 'true' } }] }, 400],
  ['uses two members of a stage', 'aggregate', { pipeline: [{ $limit: 1, $out: 'x' }] }, 400],
  ['has an unknown argument', 'find', { hint: 'x' }, 400],
  ['has a limit that is no number', 'find', { limit: 'x' }, 400],
  ['has an upsert that is no boolean', 'updateOne', { update: { n: 2 }, upsert: 'true' }, 400],
  ['updates by an unknown operator', 'updateOne', { update: { $v: { a: 1 } } }, 400],
  ['mixes fields and operators', 'updateOne', { update: { $set: { n: 2 }, n: 2 } }, 400],
  ['stores an operator', 'updateOne', { update: { $set: { a: { $where: 1 } } } }, 400],
  ['stores a false type of BSON', 'updateOne', { update: { $set: { a: { _bsontype: 'ObjectId' } } } }, 400],
  [
    'stores a false type of BSON by a path',
    'updateOne',
    { update: { $set: { 'a._bsontype': 'ObjectId' } } },
    400,
  ],
  ['stores code', 'updateOne', { update: { $set: { a: { $code: 'x' } } } }, 400],
  ['stores a name with a dot', 'findOneAndReplace', { update: { 'a.b': 1 } }, 400],
  ['fills a list up to a large index', 'updateOne', { update: { $set: { 'list.1500000': 1 } } }, 400],
  ['increments a text', 'updateOne', { update: { $inc: { secret: 1 } } }, 400],
  [
    'uses a filter of elements that nothing uses',
    'updateOne',
    { update: { $set: { n: 2 } }, arrayFilters: [{ x: 1 }] },
    400,
  ],
  ['reads the roles of the database user', 'find', { query: { $expr: { $eq: ['$$USER_ROLES', []] } } }, 400],
])('a client that %s is refused, and no document changes', async (_what, name, args, status) => {
  const { all, send, victim } = await startWithVictim()
  const before = await all()
  const used = JSON.parse(JSON.stringify(args).replaceAll(OTHER, victim.id)) as Row
  const { status: answered, body } = await send(name, used)
  expect({ status: answered, body }).toMatchObject({ status, body: { error: expect.any(String) } })
  expect(JSON.stringify(body)).not.toContain(`of ${victim.id}`)
  expect(await all()).toEqual(before)
})

test('a user without a document cannot create one for another user', async () => {
  const { attacker, victim, send, all } = await startWithVictim()
  await attacker.collection.deleteOne({})
  const before = await all()
  for (const [name, args] of [
    ['insertOne', { document: { [ID_FIELD]: victim.id } }],
    ['insertMany', { documents: [{ [ID_FIELD]: { $oid: victim.id } }] }],
    ['insertOne', { document: { _id: { $oid: victim.id } } }],
    ['updateOne', { update: { $setOnInsert: { [ID_FIELD]: victim.id } }, upsert: true }],
    ['updateOne', { update: { [ID_FIELD]: victim.id }, upsert: true }],
    ['findOneAndReplace', { update: { [ID_FIELD]: victim.id }, upsert: true }],
  ] as [string, Row][])
    expect(await send(name, args), name).toMatchObject({ status: 403 })
  expect(await all()).toEqual(before)
})

test('a filter that needs more than 32 levels is refused', async () => {
  const { send } = await startWithVictim()
  let query: Row = { n: 1 }
  for (let depth = 0; depth < 40; depth++) query = { $and: [query] }
  expect(await send('find', { query })).toMatchObject({ status: 400, body: { error_code: 'MongoDBError' } })
})

test('an update that names another user in its filter changes nothing', async () => {
  const { attacker, victim, all } = await startWithVictim()
  const before = await all()
  const filter = { [ID_FIELD]: victim.id }
  expect(await attacker.collection.updateMany(filter, { $set: { n: 9 } })).toMatchObject({ matchedCount: 0 })
  expect(await attacker.collection.deleteMany({ _id: before.victim[0]?.['_id'] })).toEqual({
    deletedCount: 0,
  })
  expect(await attacker.collection.findOneAndReplace({ $or: [filter] }, { n: 9 })).toBeNull()
  expect(await all()).toEqual(before)
})

test('a unique index of the team tells that a value is taken, and not whose it is', async () => {
  const { attacker, victim, send } = await startWithVictim()
  await database.db
    .collection('custom_user_data')
    .createIndexes([{ key: { secret: 1 }, name: 'secret_1', unique: true, sparse: true }])
  try {
    const { status, body } = await send('updateOne', { update: { $set: { secret: `of ${victim.id}` } } })
    expect({ status, body }).toMatchObject({ status: 400, body: { error_code: 'MongoDBError' } })
    expect(body['error']).toMatch(/Duplicate key error/)
    expect(JSON.stringify(body)).not.toContain(victim.id)
    expect(await attacker.collection.findOne()).toMatchObject({ secret: `of ${attacker.id}` })
  } finally {
    await database.db.collection('custom_user_data').dropIndex('secret_1')
  }
})

test('a client can neither find nor write what the instance hides, and not guess it by filters', async () => {
  const { attacker, send, all } = await startWithVictim({
    instance: { projection: { secret: 0, 'profile.rank': 0 } },
  })
  const before = await all()
  expect(await attacker.collection.findOne()).toEqual({
    _id: expect.anything(),
    n: 1,
    list: [1, 2],
    [ID_FIELD]: attacker.id,
  })
  const attempts: [string, Row][] = [
    ['find', { query: { secret: { $regex: '^o' } } }],
    ['count', { query: { $or: [{ 'secret.x': 1 }, { n: 1 }] } }],
    ['find', { query: { $expr: { $eq: ['$secret', 'x'] } } }],
    ['find', { query: { $jsonSchema: { properties: { secret: { type: 'string' } } } } }],
    ['find', { query: { 'profile.rank': 1 } }],
    ['find', { sort: { secret: 1 } }],
    ['aggregate', { pipeline: [{ $match: { secret: 'x' } }] }],
    ['updateOne', { query: { secret: 'x' }, update: { $set: { n: 2 } } }],
    ['deleteOne', { query: { secret: 'x' } }],
    ['updateOne', { update: { $rename: { secret: 'shown' } } }],
    ['updateOne', { update: { $set: { secret: 'x' } } }],
    ['updateOne', { update: { $set: { profile: {} } } }],
    ['findOneAndReplace', { update: { n: 2 } }],
  ]
  for (const [name, args] of attempts)
    expect(await send(name, args), name + JSON.stringify(args)).toMatchObject({
      status: 403,
      body: { error_code: 'NoMatchingRuleFound' },
    })
  expect(await all()).toEqual(before)
})

test('of several documents of one user clients reach the first alone', async () => {
  const { attacker, stored } = await startWithVictim()
  const { id, collection } = attacker
  await database.db.collection<Row>('custom_user_data').insertOne({ [ID_FIELD]: id, n: 2 })
  expect(await collection.find({})).toMatchObject([{ n: 1 }])
  expect(await collection.count({ n: 2 })).toBe(0)
  expect(await collection.updateMany({ n: { $gt: 0 } }, { $set: { n: 5 } })).toMatchObject({
    matchedCount: 1,
  })
  expect((await stored(id)).map(({ n }) => n)).toEqual([5, 2])
})

test('a write after which the document could not be loaded is undone', async () => {
  const { attacker, send, all, service } = await startWithVictim({ instance: { maxDocumentBytes: 1_000 } })
  const before = await all()
  const long = 'x'.repeat(600)
  const { id } = attacker
  await service.userData.forUser(id).update({ $set: { long } })
  for (const [name, args] of [
    ['updateOne', { update: { $set: { other: long, n: 7 }, $push: { list: 3 } } }],
    ['findOneAndUpdate', { update: { $set: { other: long } } }],
    ['findOneAndUpdate', { update: { $set: { other: long } }, returnNewDocument: true }],
    ['findOneAndReplace', { update: { other: long, long } }],
  ] as [string, Row][])
    expect(await send(name, args)).toMatchObject({ status: 400, body: { error_code: 'MongoDBError' } })
  expect(await all()).toEqual({ ...before, attacker: [{ ...before.attacker[0], long }] })
  await attacker.collection.deleteOne({})
  expect(await send('insertOne', { document: { long, other: long } })).toMatchObject({ status: 400 })
  const upsert = { update: { $set: { long, other: long } }, upsert: true }
  expect(await send('updateOne', upsert)).toMatchObject({ status: 400 })
  expect(await attacker.collection.find()).toEqual([])
})

test.each<[string, string, Row, string, number, string]>([
  ['an unknown service', 'find', {}, 'mongodb-other', 404, 'ServiceNotFound'],
  ['an unknown operation', 'drop', {}, 'mongodb-atlas', 400, 'ServiceCommandNotFound'],
  ['a name of every object', 'constructor', {}, 'mongodb-atlas', 400, 'ServiceCommandNotFound'],
  ['another database', 'find', { database: 'admin' }, 'mongodb-atlas', 403, 'NoMatchingRuleFound'],
  ['another collection', 'find', { collection: 'users' }, 'mongodb-atlas', 403, 'NoMatchingRuleFound'],
  ['a collection that is no text', 'find', { collection: 1 }, 'mongodb-atlas', 400, 'InvalidParameter'],
])('%s is refused', async (_what, name, args, serviceName, status, code) => {
  const { service, attacker } = await startWithVictim()
  const answer = await sendOperation(service, attacker.user, name, args, serviceName)
  expect(answer).toMatchObject({ status, body: { error_code: code } })
})

test('a client that names no service reaches the same collection', async () => {
  const { attacker } = await startWithVictim()
  const { id, user } = attacker
  const collection = user
    .mongoClient(undefined as unknown as string)
    .db('app')
    .collection('custom_user_data')
  expect(await collection.find()).toMatchObject([{ [ID_FIELD]: id }])
})

test('clients may only read by default', async () => {
  const { attacker, all } = await startWithVictim({ rules: 'read' })
  const { collection } = attacker
  const before = await all()
  expect(await collection.count()).toBe(1)
  for (const write of [
    () => collection.insertOne({ n: 2 }),
    () => collection.updateOne({}, { $set: { n: 2 } }),
    () => collection.updateOne({}, { $set: { n: 2 } }, { upsert: true }),
    () => collection.findOneAndReplace({}, { n: 2 }),
    () => collection.findOneAndDelete({}),
    () => collection.deleteMany({}),
  ])
    await expect(write()).rejects.toThrow(/no rule permits this/)
  expect(await all()).toEqual(before)
})
