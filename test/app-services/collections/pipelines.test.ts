import { BSON } from 'mongodb'
import type { Document } from 'mongodb'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { ID_FIELD, sendOperation, startCollection } from '../support/own-collection.js'

const database = useDatabase()

/** A user with a document. `ask` runs a pipeline by the service, and `expected` by MongoDB over this document alone. */
async function startWithDocument() {
  const { service, logIn } = await startCollection(database)
  const { user, id } = await logIn()
  await service.userData.forUser(id).replace({ n: 1, text: 'a', inner: { b: 2, c: 3 } }, { upsert: true })
  const own = { $match: { [ID_FIELD]: id } }
  return {
    ask: async (pipeline: unknown) => {
      const { status, body } = await sendOperation(service, user, 'aggregate', { pipeline })
      return { status, body: BSON.EJSON.parse(JSON.stringify(body)) as unknown }
    },
    expected: (pipeline: Document[]) =>
      database.db
        .collection(service.userData.settings.collectionName)
        .aggregate([own, ...pipeline])
        .toArray(),
  }
}

test.each<[string, Document[]]>([
  ['no stage', []],
  ['$match that matches', [{ $match: { n: 1 } }]],
  ['$match that does not match', [{ $match: { n: 2 } }]],
  ['several $match', [{ $match: { n: 1 } }, { $match: { text: 'b' } }]],
  ['$sort and $limit', [{ $sort: { n: -1 } }, { $limit: 1 }]],
  ['$limit before $match', [{ $limit: 5 }, { $match: { n: 1 } }]],
  ['$skip of nothing', [{ $skip: 0 }]],
  ['$skip of the document', [{ $skip: 1 }]],
  ['$skip twice', [{ $skip: 1 }, { $skip: 0 }]],
  ['$project', [{ $project: { _id: 0, inner: { b: 1 } } }]],
  ['$unset of a path', [{ $unset: 'inner.b' }]],
  ['$unset of several paths', [{ $unset: ['n', 'inner.c'] }]],
  ['$limit after $project', [{ $project: { n: 1 } }, { $limit: 1 }]],
  ['$count', [{ $count: 'total' }]],
  ['$count of what a $match leaves', [{ $match: { n: 2 } }, { $count: 'total' }]],
  ['$count after $skip', [{ $skip: 1 }, { $count: 'total' }]],
  ['$count after $project', [{ $project: { n: 1 } }, { $count: 'n' }]],
])('a pipeline of %s gives what MongoDB gives', async (_what, pipeline) => {
  const { ask, expected } = await startWithDocument()
  expect(await ask(pipeline)).toEqual({ status: 200, body: await expected(pipeline) })
})

test.each<[string, unknown, string, RegExp]>([
  ['is no list', { $match: {} }, 'InvalidParameter', /must be a list of stages/],
  ['has a stage that is no object', ['$match'], 'InvalidParameter', /an object with one member/],
  ['has an empty stage', [{}], 'InvalidParameter', /an object with one member/],
  ['has two stages in one', [{ $match: {}, $limit: 1 }], 'InvalidParameter', /an object with one member/],
  ['joins other users', [{ $lookup: { from: 'x', as: 'y' } }], 'MongoDBError', /"\$lookup" is not supported/],
  ['writes', [{ $out: 'x' }], 'MongoDBError', /"\$out" is not supported; supported are \$match/],
  ['skips less than nothing', [{ $skip: -1 }], 'MongoDBError', /\$skip needs a whole number/],
  ['skips a text', [{ $skip: '1' }], 'MongoDBError', /\$skip needs a whole number/],
  ['limits to nothing', [{ $limit: 0 }], 'MongoDBError', /\$limit needs a whole number that is 1 at least/],
  ['limits to a fraction', [{ $limit: 1.5 }], 'MongoDBError', /\$limit needs a whole number/],
  ['unsets a number', [{ $unset: 1 }], 'MongoDBError', /\$unset needs a path/],
  ['unsets a list with a number', [{ $unset: ['n', 1] }], 'MongoDBError', /\$unset needs a path/],
  ['counts as a number', [{ $count: 1 }], 'MongoDBError', /\$count needs the name of a field/],
  ['counts as a path', [{ $count: 'a.b' }], 'MongoDBError', /\$count needs the name of a field/],
  ['goes on after $count', [{ $count: 'n' }, { $limit: 1 }], 'MongoDBError', /\$count must be the last/],
  [
    'matches after $project',
    [{ $project: { n: 1 } }, { $match: { text: 'a' } }],
    'MongoDBError',
    /\$match is not supported after/,
  ],
  ['unsets twice', [{ $unset: 'n' }, { $unset: 'text' }], 'MongoDBError', /\$unset is not supported after/],
])('a pipeline that %s is refused', async (_what, pipeline, code, message) => {
  const { ask } = await startWithDocument()
  expect(await ask(pipeline)).toEqual({
    status: 400,
    body: { error: expect.stringMatching(message), error_code: code },
  })
})
