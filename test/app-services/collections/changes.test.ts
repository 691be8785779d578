import { BSON } from 'mongodb'
import type { Document } from 'mongodb'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { ID_FIELD, sendOperation, startCollection } from '../support/own-collection.js'
import type { Row } from '../support/own-collection.js'

const database = useDatabase()

const DOCUMENT = { n: 1, bits: 5, text: 'a', list: [1, 2, 3], rows: [{ k: 1 }, { k: 2 }], at: new Date(0) }

/** A user with a document. `update` sends an update by the service, and `expected` is what MongoDB makes of it. */
async function startWithDocument() {
  const { service, logIn, stored } = await startCollection(database)
  const { user, id } = await logIn()
  await service.userData.forUser(id).replace(DOCUMENT, { upsert: true })
  return {
    stored: async () => (await stored(id))[0],
    update: (update: unknown, more: Row = {}) =>
      sendOperation(service, user, 'updateOne', { update: toJson(update), ...more }),
    expected: async (update: Document, options: Document = {}) => {
      const copies = database.db.collection('copies')
      await copies.insertOne({ ...DOCUMENT, [ID_FIELD]: id })
      await copies.updateOne({ [ID_FIELD]: id }, update, options)
      return copies.findOne({ [ID_FIELD]: id }, { projection: { _id: 0 } })
    },
  }
}

function toJson(value: unknown): unknown {
  return JSON.parse(BSON.EJSON.stringify(value, { relaxed: false }))
}

test.each<[string, Document, Row?]>([
  ['$set', { $set: { n: 2, 'inner.x': { y: 1 } } }],
  ['$set of an element', { $set: { 'list.1': 9 } }],
  ['$set of all elements', { $set: { 'rows.$[].k': 9 } }],
  ['$set of chosen elements', { $set: { 'rows.$[r].k': 9 } }, { arrayFilters: [{ 'r.k': 2 }] }],
  ['$unset', { $unset: { text: '' } }],
  ['$setOnInsert', { $setOnInsert: { text: 'b' } }],
  ['$inc and $mul', { $inc: { n: 2 }, $mul: { bits: 3 } }],
  ['$min and $max', { $min: { n: 0 }, $max: { bits: 9 } }],
  ['$rename', { $rename: { text: 'inner.text' } }],
  ['$bit', { $bit: { bits: { and: 4 } } }],
  ['$push of a value', { $push: { list: 4 } }],
  ['$push with modifiers', { $push: { list: { $each: [0, 9], $position: 0, $slice: -4 } } }],
  ['$push with a sort', { $push: { rows: { $each: [{ k: 0 }], $sort: { k: -1 } } } }],
  ['$addToSet of a value', { $addToSet: { list: 3 } }],
  ['$addToSet of several values', { $addToSet: { list: { $each: [3, 4] } } }],
  ['$pop', { $pop: { list: -1 } }],
  ['$pull of a value', { $pull: { list: 2 } }],
  ['$pull by a condition', { $pull: { rows: { k: { $gte: 2 } } } }],
  ['$pullAll', { $pullAll: { list: [1, 3] } }],
  [
    'values of BSON classes',
    { $set: { id: new BSON.ObjectId(), big: BSON.Long.MAX_VALUE, bytes: new BSON.Binary(Buffer.from('x')) } },
  ],
])('an update by %s does what MongoDB does', async (_what, change, more = {}) => {
  const { update, stored, expected } = await startWithDocument()
  expect(await update(change, more)).toMatchObject({ status: 200 })
  expect(await stored()).toEqual({ ...(await expected(change, more)), _id: expect.anything() })
})

test('an update by $currentDate stores the time of MongoDB', async () => {
  const { update, stored } = await startWithDocument()
  expect(await update({ $currentDate: { at: true, stamp: { $type: 'timestamp' } } })).toMatchObject({
    status: 200,
  })
  const { at, stamp } = (await stored()) as { at: Date; stamp: unknown }
  expect(at.getTime()).toBeGreaterThan(0)
  expect(stamp).toBeInstanceOf(BSON.Timestamp)
})

test.each<[string, unknown, string, RegExp]>([
  ['is a text', 'x', 'InvalidParameter', /the update must be an object/],
  ['is null', null, 'InvalidParameter', /the update must be an object/],
  ['is a pipeline', [{ $set: { n: 2 } }], 'MongoDBError', /write update operators/],
  ['has an unknown operator', { $setAll: { n: 2 } }, 'MongoDBError', /"\$setAll" is not a supported/],
  ['mixes fields and operators', { $set: { n: 2 }, m: 1 }, 'MongoDBError', /"m" is not a supported/],
  ['has an operator without fields', { $set: 1 }, 'MongoDBError', /\$set needs an object of fields/],
  ['sets a path with an empty step', { $set: { 'a..b': 1 } }, 'MongoDBError', /is not a path of fields/],
  ['sets a constructor', { $set: { 'a.constructor': 1 } }, 'MongoDBError', /is not a path of fields/],
  ['sets an operator as a field', { $set: { 'a.$b': 1 } }, 'MongoDBError', /is not a path of fields/],
  ['sets a large index', { $set: { 'list.10000': 1 } }, 'MongoDBError', /"10000" is too large: 9999 at most/],
  ['renames to a number', { $rename: { text: 1 } }, 'MongoDBError', /\$rename needs the new name/],
  ['renames to a positional path', { $rename: { text: 'list.$' } }, 'MongoDBError', /refuses the change/],
  ['pushes with an unknown modifier', { $push: { list: { $each: [], $x: 1 } } }, 'MongoDBError', /modifier/],
  [
    'pushes operators',
    { $push: { list: { $each: [{ $x: 1 }] } } },
    'MongoDBError',
    /not the name of a field/,
  ],
  ['pulls by code', { $pull: { rows: { $where: 'true' } } }, 'MongoDBError', /not supported in \$pull/],
  ['pulls by a list of code', { $pull: { rows: { $or: [{ $expr: 1 }] } } }, 'MongoDBError', /in \$pull/],
  ['stores code', { $set: { f: new BSON.Code('x') } }, 'MongoDBError', /the type "Code" is not supported/],
  ['stores code in a list', { $set: { f: [[new BSON.Code('x')]] } }, 'MongoDBError', /the type "Code"/],
  ['stores operators', { $set: { f: [{ a: { $gt: 1 } }] } }, 'MongoDBError', /"\$gt" is not the name/],
  ['fits no field of the document', { $inc: { text: 1 } }, 'MongoDBError', /^MongoDB refuses the change$/],
])('an update that %s is refused, and the document stays', async (_what, change, code, message) => {
  const { update, stored } = await startWithDocument()
  expect(await update(change)).toEqual({
    status: 400,
    body: { error: expect.stringMatching(message), error_code: code },
  })
  expect(await stored()).toMatchObject(DOCUMENT)
})
