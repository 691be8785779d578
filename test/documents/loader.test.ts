import type { StandardSchemaV1 } from '@standard-schema/spec'
import fc from 'fast-check'
import type { Collection, CollectionOptions, Document } from 'mongodb'
import { BSON, Long, ObjectId } from 'mongodb'
import { z } from 'zod'
import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import type { CustomUserDataOptions, LoadFailedEvent } from 'express-custom-user-data'
import { createLoader } from '../../lib/documents/loader.js'
import type { DocumentEncoder, LatestDocument, Loader } from '../../lib/documents/loader.js'
import { createUserDocuments } from '../../lib/documents/user-documents.js'
import { createUserIdIndex } from '../../lib/documents/user-id-index.js'
import { systemClock } from '../../lib/util/clock.js'
import { createEvents } from '../../lib/events.js'
import { createMetrics } from '../../lib/metrics.js'
import { openTeamDatabase } from '../../lib/mongo/team-database.js'
import { openDatabase, useDatabase } from '../support/database.js'
import { loadCustomData } from '../support/guarded-app.js'
import { insertInvalidText } from '../support/raw-insert.js'
import { createTestUserData } from '../support/user-data.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

const HEX = '64b7f3a1c2d4e5f601234567'
const OTHER_HEX = '64b7f3a1c2d4e5f601234568'

const database = useDatabase()
let collection: Collection
let collections = 0
const isRead = (command: string) => command === 'find' || command === 'aggregate'
beforeEach(() => {
  collection = database.db.collection(`documents_${++collections}`)
})

type Options = Partial<CustomUserDataOptions<Document>>

/** The custom data that handlers get, from an instance that has made its index. */
async function load(userId: string, options: Options = {}): Promise<Document> {
  const userData = createTestUserData(database, { collection, ...options })
  userData.events.on('warning', () => undefined)
  await userData.ready()
  return loadCustomData(userData, userId)
}

/** A loader over a collection without an index. */
function loaderWithoutIndex(
  options: { userIdField?: string; projection?: Document; schema?: StandardSchemaV1 } = {},
  encoder?: DocumentEncoder,
): Loader {
  const events = createEvents()
  events.emitter.on('warning', () => undefined)
  const config = {
    userIdField: 'userId',
    uniqueUserId: false,
    maxDocumentBytes: 10_000,
    loadTimeoutMs: 5_000,
    ...options,
  }
  const documents = createUserDocuments(
    config,
    openTeamDatabase(collection),
    createUserIdIndex(config, events),
    events,
  )
  return createLoader(config, { documents, events, clock: systemClock, metrics: createMetrics(), encoder })
}

function createLatest(): LatestDocument {
  return { data: undefined, heapBytes: 0 }
}

async function createIndex(key: Document, options: Document = {}): Promise<void> {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await collection.createIndex(key, { name: 'theirs', ...options })
}

describe('of several documents, the one that was inserted first', () => {
  const TWO = [
    { _id: 'zzz', userId: 'bob', n: 1 },
    { _id: 'aaa', userId: 'bob', n: 2 },
  ] as Document[]

  it.each([
    { where: 'there is only our index', key: undefined, options: {} },
    { where: 'the team has a plain index', key: { userId: 1 }, options: {} },
    { where: 'the team has a compound index', key: { userId: 1, n: -1 }, options: {} },
    { where: 'the team has a descending index', key: { userId: -1 }, options: {} },
    { where: 'the team has a hashed index', key: { userId: 'hashed' }, options: {} },
    {
      where: 'the team has a unique index of some documents',
      key: { userId: 1 },
      options: { unique: true, partialFilterExpression: { n: 1 } },
    },
  ])('wins if $where', async ({ key, options }) => {
    if (key) await createIndex(key, options)
    await collection.insertMany(TWO)
    expect(await load('bob')).toEqual(TWO[0])
  })

  it('wins if the index was made after the documents', async () => {
    await collection.insertMany([...TWO, { userId: 'eve' }])
    await createIndex({ userId: 1 })
    expect(await load('bob')).toEqual(TWO[0])
  })

  it('wins if there is no index', async () => {
    await collection.insertMany(TWO)
    expect(await loaderWithoutIndex().load('bob')).toMatchObject({ data: TWO[0], documentId: 'zzz' })
  })

  it.each([{}, { userDataInToken: 'canonical' } as const])(
    'wins if the index is dropped while it is used: %j',
    async options => {
      await collection.insertMany(TWO)
      const userData = createTestUserData(database, { collection, ...options })
      userData.events.on('warning', () => undefined)
      await userData.ready()
      expect(await loadCustomData(userData, 'bob')).toEqual(TWO[0])
      await collection.dropIndexes()
      expect(await loadCustomData(userData, 'bob')).toEqual(TWO[0])
    },
  )

  it('wins if an array that holds the id makes the index multikey', async () => {
    await collection.insertMany([{ userId: ['bob'], n: 0 }, ...TWO, { userId: ['bob', 'eve'], n: 3 }])
    expect(await load('bob')).toEqual(TWO[0])
    expect(await loaderWithoutIndex().load('bob')).toMatchObject({ data: TWO[0] })
  })

  it('no longer wins when it has been removed', async () => {
    await collection.insertMany(TWO)
    await collection.deleteOne({ n: 1 })
    expect(await load('bob')).toEqual(TWO[1])
  })
})

describe('a document belongs to a user', () => {
  it('if its field holds the id as an ObjectId', async () => {
    await collection.insertOne({ userId: new ObjectId(HEX), n: 1 })
    expect(await load(HEX)).toMatchObject({ n: 1 })
    expect(await load(OTHER_HEX)).toEqual({})
  })

  it.each([true, false])('with a string rather than with an ObjectId, inserted first: %s', async isFirst => {
    const documents = [
      { userId: HEX, is: 'text' },
      { userId: new ObjectId(HEX), is: 'id' },
    ]
    await collection.insertMany(isFirst ? documents : documents.reverse())
    expect(await load(HEX)).toMatchObject({ is: 'text' })
    expect(await loaderWithoutIndex().load(HEX)).toMatchObject({ data: { is: 'text' } })
  })

  it('with the first of several ObjectIds', async () => {
    const userId = new ObjectId(HEX)
    await collection.insertMany([
      { _id: 'z', userId, n: 1 },
      { _id: 'a', userId, n: 2 },
    ] as Document[])
    expect(await load(HEX)).toMatchObject({ n: 1 })
    expect(await loaderWithoutIndex().load(HEX)).toMatchObject({ data: { n: 1 } })
  })

  it.each([HEX.toUpperCase(), HEX.slice(1), `${HEX}0`, ` ${HEX}`, 'zzzzzzzzzzzz'])(
    'never with an ObjectId if the id is not its 24 lower-case hex digits: %j',
    async userId => {
      await collection.insertMany([
        { userId: new ObjectId(HEX) },
        { userId: ObjectId.createFromHexString(Buffer.from('zzzzzzzzzzzz').toString('hex')) },
      ])
      expect(await load(userId)).toEqual({})
    },
  )

  it('only if the id is exactly the same, even in a case-insensitive collection', async () => {
    const collation = { locale: 'en', strength: 2 }
    collection = await database.db.createCollection(`insensitive_${collections}`, { collation })
    await createIndex({ userId: 1 })
    await collection.insertOne({ userId: 'Bob', n: 1 })
    expect(await load('bob')).toEqual({})
    expect(await load('Bob')).toMatchObject({ n: 1 })
    expect(await loaderWithoutIndex().load('bob')).toMatchObject({ exists: false, data: {} })
  })

  it.each([{ userId: ['bob'] }, { userId: [['bob']] }, { userId: ['eve', 'bob'] }, { userId: { bob: 1 } }])(
    'never if its field contains %j',
    async document => {
      await collection.insertOne(document)
      expect(await load('bob')).toEqual({})
      expect(await loaderWithoutIndex().load('bob')).toMatchObject({ exists: false })
    },
  )

  it.each(['[object Object]', '{"$ne":null}', '$userId', '$$ROOT', 'null', '.*'])(
    'never because of how an id is written: %j',
    async userId => {
      await collection.insertMany([{ userId: 'bob' }, { userId: null }, {}])
      expect((await loaderWithoutIndex().load(userId)).exists).toBe(false)
      if (userId !== '') expect(await load(userId)).toEqual({})
    },
  )

  it('by its _id, if the option userIdField says so', async () => {
    await collection.insertMany([
      { _id: 'bob', n: 1 },
      { _id: new ObjectId(HEX), n: 2 },
    ] as Document[])
    expect(await load('bob', { userIdField: '_id' })).toEqual({ _id: 'bob', n: 1 })
    expect(await load(HEX, { userIdField: '_id' })).toMatchObject({ n: 2 })
    expect(await load('eve', { userIdField: '_id' })).toEqual({})
  })

  it('by its _id in a clustered collection', async () => {
    const clusteredIndex = { key: { _id: 1 }, unique: true } as const
    collection = await database.db.createCollection(`clustered_${collections}`, { clusteredIndex })
    await collection.insertOne({ _id: 'bob', n: 1 } as Document)
    expect(await load('bob', { userIdField: '_id' })).toMatchObject({ n: 1 })
  })

  it('by a nested field, unless an array is on its path', async () => {
    await collection.insertMany([
      { account: [{ id: { value: 'bob' } }], n: 1 },
      { account: { id: [{ value: 'bob' }] }, n: 2 },
      { account: { id: { value: ['bob'] } }, n: 3 },
      { 'account.id.value': 'bob', n: 4 },
    ])
    const userIdField = 'account.id.value'
    expect(await load('bob', { userIdField })).toEqual({})
    await collection.insertMany([
      { account: { id: { value: 'bob' } }, n: 5 },
      { account: { id: { value: 'bob' } }, n: 6 },
    ])
    expect(await load('bob', { userIdField })).toMatchObject({ n: 5 })
    expect(await loaderWithoutIndex({ userIdField }).load('bob')).toMatchObject({ data: { n: 5 } })
  })

  it('by a number or a UUID, if toFieldValues says so', async () => {
    const uuid = 'a3bb189e-8bf9-4c4b-9d5f-3d0e2a8e1b11'
    await collection.insertMany([
      { userId: 42, n: 1 },
      { userId: new UUID(uuid), n: 2 },
      { userId: Long.fromNumber(43), n: 3 },
    ])
    expect(await load('42')).toEqual({})
    expect(await load('42', { toFieldValues: id => [Number(id)] })).toMatchObject({ n: 1 })
    expect(await load('43', { toFieldValues: id => [Number(id)] })).toMatchObject({ n: 3 })
    expect(await load(uuid, { toFieldValues: id => [new UUID(id)] })).toMatchObject({ n: 2 })
    expect(await load('42', { toFieldValues: () => [] })).toEqual({})
  })

  it.each([
    {
      what: 'throws',
      toFieldValues: () => {
        throw new Error('no')
      },
    },
    { what: 'gives no list', toFieldValues: () => 'bob' },
  ])('never if toFieldValues $what: that is an error', async ({ toFieldValues }) => {
    const options = { toFieldValues } as unknown as Options
    await expect(load('bob', options)).rejects.toMatchObject({ code: 'callback_failed', status: 500 })
  })
})

describe('a load', () => {
  it('sends one query', async () => {
    await collection.insertOne({ userId: HEX })
    const userData = createTestUserData(database, { collection })
    await userData.ready()
    await loadCustomData(userData, HEX)
    database.commands.clear()
    await loadCustomData(userData, HEX)
    expect(database.commands.map(({ name }) => name)).toEqual(['find'])
  })

  it('reads from the primary, even if the collection prefers secondaries', async () => {
    await collection.insertOne({ userId: 'bob', n: 1 })
    const readPreference = 'secondary'
    const secondary = database.db.collection(collection.collectionName, { readPreference })
    const userData = createTestUserData(database, { collection: secondary })
    await userData.ready()
    database.commands.clear()
    expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 1 })
    const { command } = database.commands.loads()[0]!
    expect(command).not.toMatchObject({ $readPreference: { mode: readPreference } })
  })

  it.each([{}, { projection: { n: 1 } }])(
    'reads with the read concern that the collection was opened with: %j',
    async options => {
      // A majority read just after a write by one member may not see it.
      await collection.insertOne({ userId: 'bob', n: 1 }, { writeConcern: { w: 'majority' } })
      const readConcern = { level: 'majority' } as const
      const safe = database.db.collection(collection.collectionName, { readConcern })
      const userData = createTestUserData(database, { collection: safe, ...options })
      await userData.ready()
      database.commands.clear()
      expect(await loadCustomData(userData, 'bob')).toMatchObject({ n: 1 })
      // A majority read may refuse the hint of an index that was just made. Then the load is repeated without the hint.
      const loads = database.commands.loads()
      expect(loads.length).toBeGreaterThan(0)
      for (const load of loads) expect(load).toMatchObject({ command: { readConcern } })
    },
  )

  it('gives the server its own time limit', async () => {
    const userData = createTestUserData(database, { collection, loadTimeoutMs: 777 })
    await userData.ready()
    database.commands.clear()
    await loadCustomData(userData, 'bob')
    expect(database.commands.loads()).toMatchObject([{ command: { maxTimeMS: 777 } }])
  })

  it('does not return a document that was deleted', async () => {
    await collection.insertOne({ userId: 'bob' })
    const loader = loaderWithoutIndex()
    const latest = createLatest()
    const { data } = await loader.load('bob', latest)
    expect(latest.data).toBe(data)
    await collection.deleteMany({})
    await loader.load('bob', latest)
    expect(latest).toEqual(createLatest())
  })

  it('writes nothing, whether or not the user has a document', async () => {
    await collection.insertOne({ userId: 'bob' })
    const before = await collection.find().toArray()
    const userData = createTestUserData(database, { collection })
    await userData.ready()
    await loadCustomData(userData, 'bob')
    database.commands.clear()
    await loadCustomData(userData, 'bob')
    await loadCustomData(userData, 'nobody')
    expect(new Set(database.commands.map(({ name }) => name))).toEqual(new Set(['find']))
    expect(await collection.find().toArray()).toEqual(before)
  })

  it('gives hostile keys as own properties', async () => {
    const keys = ['constructor', 'toJSON', 'then', '$x', 'a.b', '']
    const hostile = Object.fromEntries(keys.map(key => [key, { isAdmin: true }]))
    await collection.insertOne({ userId: 'bob', ...hostile })
    const { _id, ...data } = await load('bob')
    expect(_id).toBeInstanceOf(ObjectId)
    expect(data).toEqual({ userId: 'bob', ...hostile })
    expect(({} as Document)['isAdmin']).toBeUndefined()
  })

  it('gives lists under hostile keys as lists of documents', async () => {
    const keys = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__']
    const lists = Object.fromEntries(keys.map(key => [key, [{ n: 1 }]]))
    await collection.insertOne({ userId: 'bob', lists })
    for (let n = 0; n < 2; n++) {
      const data = (await load('bob')) as { lists: object }
      expect(Object.entries(data.lists)).toEqual(Object.entries(lists))
    }
  })

  it.each<CollectionOptions>([
    { raw: true },
    { useBigInt64: true },
    { promoteValues: false },
    { promoteLongs: false },
    { promoteBuffers: true },
    { fieldsAsRaw: { documents: true } },
    { ignoreUndefined: true, serializeFunctions: true },
  ])('gives the same document for all options of the collection: %j', async options => {
    await collection.insertOne({
      userId: HEX,
      int: 1,
      long: Long.fromNumber(2),
      big: Long.fromString('9007199254740993'),
      double: 1.5,
      bytes: Buffer.from('abc'),
      regExp: /a/i,
      date: new Date(0),
      documents: [{ n: 1 }],
      nothing: null,
    })
    const expected = await load(HEX)
    const opened = database.db.collection(collection.collectionName, options)
    const data = await load(HEX, { collection: opened })
    expect(data).toEqual(expected)
    expect(JSON.stringify(data)).toBe(JSON.stringify(expected))
  })
})

describe('a document that was loaded before', () => {
  const loadThrice = async (loader: Loader, latest: LatestDocument) => {
    for (let n = 0; n < 2; n++) await loader.load('bob', latest)
    return loader.load('bob', latest)
  }

  it('is the same object while it is equal', async () => {
    await collection.insertOne({ userId: 'bob', at: new Date(0) })
    const loader = loaderWithoutIndex()
    const latest = createLatest()
    const first = await loader.load('bob', latest)
    expect((await loader.load('bob', latest)).data).toBe(first.data)
    expect((await loader.load('bob', latest)).data).toBe(first.data)
  })

  it.each<[what: string, change: Document]>([
    ['a value', { $set: { n: 2 } }],
    ['a new field', { $set: { more: 1 } }],
    ['a missing field', { $unset: { n: '' } }],
    ['the name of a field', { $rename: { n: 'm' } }],
    ['something deep inside', { $set: { 'deep.list.0.at': new Date(1) } }],
  ])('is a new object if something in it has changed: %s', async (_what, change) => {
    await collection.insertOne({ userId: 'bob', n: 1, deep: { list: [{ at: new Date(0) }] } })
    const loader = loaderWithoutIndex()
    const latest = createLatest()
    await loadThrice(loader, latest)
    await collection.updateOne({}, change)
    const stored = await collection.findOne({})
    for (let n = 0; n < 3; n++) expect((await loader.load('bob', latest)).data).toEqual(stored)
  })

  it('has its new `_id` if an equal document with another `_id` has replaced it', async () => {
    const projection = { _id: 0 }
    const loader = loaderWithoutIndex({ projection })
    const latest = createLatest()
    for (const _id of [1, 2]) {
      await collection.deleteMany({})
      await collection.insertOne({ _id, userId: 'bob' } as Document)
      for (let n = 0; n < 3; n++) {
        expect(await loader.load('bob', latest)).toMatchObject({ data: { userId: 'bob' }, documentId: _id })
      }
    }
  })

  it('always equals the stored document after any series of changes', async () => {
    const loader = loaderWithoutIndex()
    const latest = createLatest()
    const replace = async (n: number) => {
      await collection.deleteMany({})
      if (n > 0) await collection.insertOne({ _id: 1, userId: 'bob', n: n % 3 } as Document)
      // Over the limit.
      if (n > 4) await collection.updateOne({}, { $set: { big: 'x'.repeat(20_000) } })
    }
    const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(undefined)), {
      maxLength: 12,
    })
    const isStored = fc.asyncProperty(steps, async taken => {
      for (const step of taken) {
        if (step !== undefined) await replace(step)
        const stored = await collection.findOne({})
        if (stored?.['big'] !== undefined) await expect(loader.load('bob', latest)).rejects.toThrow()
        else expect((await loader.load('bob', latest)).data).toEqual(stored ?? {})
      }
    })
    await fc.assert(isStored, { numRuns: 40 })
  })

  it('equals the stored document if loads overlap with changes', async () => {
    await collection.insertOne({ userId: 'bob', n: 0 })
    const loader = loaderWithoutIndex()
    const latest = createLatest()
    for (let n = 1; n <= 60; n++) {
      const loads = Array.from({ length: 8 }, () => loader.load('bob', latest))
      await collection.updateOne({}, { $set: { n } })
      await Promise.all(loads)
      expect((await loader.load('bob', latest)).data).toMatchObject({ n })
    }
  })

  it('is checked by the schema each time, because the schema may decide otherwise', async () => {
    await collection.insertOne({ userId: 'bob' })
    let asked = 0
    const schema = z.looseObject({}).refine(() => ++asked <= 3)
    const loader = loaderWithoutIndex({ schema })
    const latest = createLatest()
    expect((await loadThrice(loader, latest)).data).toMatchObject({ userId: 'bob' })
    await expect(loader.load('bob', latest)).rejects.toMatchObject({ code: 'custom_data_invalid' })
  })

  it('is encoded each time, for the token that is issued with it', async () => {
    await collection.insertOne({ userId: 'bob', n: 1 })
    const encoder = {
      decodeExactly: undefined,
      encode: (document: object) => ({ json: Object.keys(document) }),
    }
    const loaded = await loadThrice(loaderWithoutIndex({}, encoder), createLatest())
    expect(loaded.encoded).toEqual({ json: ['_id', 'userId', 'n'] })
  })
})

describe('a text that is not UTF-8', () => {
  beforeEach(async () => {
    const namespace = { database: database.db.databaseName, collection: collection.collectionName }
    await insertInvalidText(inject('mongoUri'), namespace, { userId: 'bob', name: '?Bob' })
  })

  it('is an error after one read', async () => {
    const userData = createTestUserData(database, { collection })
    await userData.ready()
    database.commands.clear()
    await expect(loadCustomData(userData, 'bob')).rejects.toMatchObject({ code: 'document_undecodable' })
    expect(database.commands.loads()).toHaveLength(1)
  })

  it('is served if the collection was opened without the check', async () => {
    const opened = database.db.collection(collection.collectionName, { enableUtf8Validation: false })
    expect(await load('bob', { collection: opened })).toMatchObject({ name: '\ufffdBob' })
  })
})

describe('a regular expression that JavaScript cannot parse', () => {
  const FORMS: readonly (readonly [string, Options])[] = [
    ['', {}],
    [' with a projection', { projection: { pattern: 1 } }],
    [' by an instance that puts documents into tokens', { userDataInToken: 'canonical' }],
  ]
  beforeEach(async () => {
    await collection.insertOne({ userId: 'bob', pattern: new BSON.BSONRegExp('(?i)bob', 'i') })
  })

  it.each(FORMS)('is a 500 with its own code at a load%s', async (_what, options) => {
    await expect(load('bob', options)).rejects.toMatchObject({ code: 'document_undecodable', status: 500 })
  })

  it.each(FORMS)(
    'is served at a load%s if the collection was opened with bsonRegExp: true',
    async (_what, options) => {
      const opened = database.db.collection(collection.collectionName, { bsonRegExp: true })
      const { pattern } = await load('bob', { collection: opened, ...options })
      expect(pattern).toMatchObject({ _bsontype: 'BSONRegExp', pattern: '(?i)bob', options: 'i' })
    },
  )

  it('stays as it is when its user writes another field, if the collection was opened with bsonRegExp: true', async () => {
    const opened = database.db.collection(collection.collectionName, { bsonRegExp: true })
    const user = createTestUserData(database, { collection: opened }).forUser('bob')
    expect(await user.update({ n: 1 })).toMatchObject({ n: 1, pattern: { pattern: '(?i)bob' } })
    const found = await collection.findOne({}, { bsonRegExp: true })
    expect(found).toMatchObject({ n: 1, pattern: { pattern: '(?i)bob' } })
  })
})

describe('a projection', () => {
  beforeEach(async () => {
    await collection.insertOne({
      _id: 1,
      userId: 'bob',
      name: 'Bob',
      secret: 's',
      deep: { a: 1, b: 2 },
    } as Document)
  })

  it.each([
    { projection: { name: 1 }, gives: { _id: 1, name: 'Bob' } },
    { projection: { name: 1, _id: 0 }, gives: { name: 'Bob' } },
    { projection: { name: true, _id: false }, gives: { name: 'Bob' } },
    { projection: { 'deep.a': 1, _id: 0 }, gives: { deep: { a: 1 } } },
    { projection: { secret: 0, deep: 0 }, gives: { _id: 1, userId: 'bob', name: 'Bob' } },
    { projection: { secret: 0, deep: 0, _id: 0 }, gives: { userId: 'bob', name: 'Bob' } },
    { projection: { _id: 1 }, gives: { _id: 1 } },
    { projection: { _id: 0 }, gives: { userId: 'bob', name: 'Bob', secret: 's', deep: { a: 1, b: 2 } } },
    { projection: {}, gives: { _id: 1, userId: 'bob', name: 'Bob', secret: 's', deep: { a: 1, b: 2 } } },
    { projection: { upper: { $toUpper: '$name' }, _id: 0 }, gives: { upper: 'BOB' } },
    { projection: { id: '$_id', name: 1, _id: 0 }, gives: { id: 1, name: 'Bob' } },
    { projection: { userId: { $toUpper: '$userId' } }, gives: { _id: 1, userId: 'BOB' } },
  ])('decides which fields handlers get: $projection', async ({ projection, gives }) => {
    expect(await load('bob', { projection })).toEqual(gives)
  })

  it('may leave out the user id', async () => {
    expect(await load('bob', { projection: { userId: 0, _id: 0, deep: 0 } })).toEqual({
      name: 'Bob',
      secret: 's',
    })
    expect(await load('eve', { projection: { userId: 0 } })).toEqual({})
  })

  it('may leave out `_id`, which the cache still knows', async () => {
    const loader = loaderWithoutIndex({ projection: { _id: 0, name: 1 } })
    expect(await loader.load('bob')).toMatchObject({ data: { name: 'Bob' }, documentId: 1 })
  })
})

describe('a document over the size limit', () => {
  const MAX = 1_000
  const big = 'x'.repeat(2_000)
  let replies: number[]
  beforeAll(() => {
    database.client.on('commandSucceeded', ({ commandName, reply }) => {
      if (isRead(commandName)) replies.push(BSON.calculateObjectSize(reply as Document))
    })
  })
  beforeEach(() => {
    replies = []
  })

  it('is an error, and is never sent', async () => {
    await collection.insertOne({ userId: 'bob', big })
    await expect(load('bob', { maxDocumentBytes: MAX })).rejects.toMatchObject({
      code: 'custom_data_too_large',
      status: 500,
    })
    expect(Math.max(...replies)).toBeLessThan(MAX)
  })

  it('is an error for its user, even if a smaller document holds the same id', async () => {
    await collection.insertMany([{ userId: 'bob', big }, { userId: 'bob' }])
    await expect(load('bob', { maxDocumentBytes: MAX })).rejects.toMatchObject({
      code: 'custom_data_too_large',
    })
  })

  it('has no effect if it is not the first of its user', async () => {
    await collection.insertMany([
      { userId: 'bob', n: 1 },
      { userId: 'bob', big },
    ])
    expect(await load('bob', { maxDocumentBytes: MAX })).toMatchObject({ n: 1 })
  })

  it('may have 15 MB: the error comes in time, and a small part of it is served by a projection', async () => {
    const huge = 'x'.repeat(15 * 1024 * 1024)
    await collection.insertOne({ _id: 1, userId: 'bob', name: 'Bob', huge } as Document)
    await expect(load('bob')).rejects.toMatchObject({ code: 'custom_data_too_large' })
    expect(await load('bob', { projection: { name: 1 } })).toEqual({ _id: 1, name: 'Bob' })
    expect(await load('bob', { projection: { huge: 0 } })).toEqual({ _id: 1, userId: 'bob', name: 'Bob' })
    expect(Math.max(...replies)).toBeLessThan(MAX)
  })

  it('is over the limit by a single byte', async () => {
    await collection.insertOne({ _id: 1, userId: 'bob' } as Document)
    const bytes = BSON.calculateObjectSize({ _id: 1, userId: 'bob' })
    expect(await load('bob', { maxDocumentBytes: bytes })).toEqual({ _id: 1, userId: 'bob' })
    await expect(load('bob', { maxDocumentBytes: bytes - 1 })).rejects.toMatchObject({
      code: 'custom_data_too_large',
    })
  })

  it('causes an event with the user and the size, and is read again by the next request', async () => {
    await collection.insertOne({ userId: 'bob', big })
    const userData = createTestUserData(database, { collection, maxDocumentBytes: MAX })
    const failures: LoadFailedEvent[] = []
    userData.events.on('load_failed', failure => failures.push(failure))
    await expect(loadCustomData(userData, 'bob')).rejects.toThrow()
    expect(failures).toMatchObject([{ userId: 'bob', code: 'custom_data_too_large' }])
    expect(String(failures[0]?.error.cause)).toMatch(/2\d\d\d bytes/)
    await collection.updateOne({ userId: 'bob' }, { $unset: { big: 1 } })
    expect(await loadCustomData(userData, 'bob')).toMatchObject({ userId: 'bob' })
  })
})

describe('a schema', () => {
  const schema = z.object({ name: z.string(), age: z.coerce.number().optional() })
  beforeEach(async () => {
    await collection.insertMany([
      { userId: 'bob', name: 'Bob', age: '42' },
      { userId: 'eve', name: 7, secret: 'hunter2' },
    ])
  })

  it('gives handlers its result, frozen', async () => {
    const data = await load('bob', { schema })
    expect(data).toEqual({ name: 'Bob', age: 42 })
    expect(Object.isFrozen(data)).toBe(true)
  })

  it('may be asynchronous', async () => {
    const slow = schema.transform(async ({ name }) => ({ name: name.toUpperCase() }))
    expect(await load('bob', { schema: slow })).toEqual({ name: 'BOB' })
  })

  it('that refuses a document is an error, with paths for the log and no values', async () => {
    const error: unknown = await load('eve', { schema }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'custom_data_invalid', status: 500 })
    expect(String((error as Error).cause)).toContain('name')
    expect(String((error as Error).cause)).not.toContain('hunter2')
  })

  it('is not asked about users without a document', async () => {
    expect(await load('nobody', { schema })).toEqual({})
  })

  it('that throws is an error', async () => {
    const broken = schema.transform(() => {
      throw new Error('no')
    })
    await expect(load('bob', { schema: broken })).rejects.toMatchObject({
      code: 'callback_failed',
      status: 500,
    })
  })

  it('that never settles is an error after the time limit', async () => {
    const stuck = schema.transform(() => new Promise<Document>(() => undefined))
    await expect(load('bob', { schema: stuck, loadTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'custom_data_unavailable',
      status: 503,
    })
  })

  it.each([
    { what: 'text', value: 'Bob' },
    { what: 'nothing', value: null },
    { what: 'a list', value: [] },
    { what: 'an instance that cannot be frozen', value: new Map() },
  ])('must return a plain object: $what is an error', async ({ value }) => {
    const wrong = schema.transform(() => value as unknown as Document)
    await expect(load('bob', { schema: wrong })).rejects.toMatchObject({ code: 'custom_data_invalid' })
  })
})

describe('running loads', () => {
  it.each([
    { maxPoolSize: 10, maxConcurrentLoads: undefined, most: 4 },
    { maxPoolSize: 7, maxConcurrentLoads: undefined, most: 3 },
    { maxPoolSize: 10, maxConcurrentLoads: 2, most: 2 },
    { maxPoolSize: 10, maxConcurrentLoads: 100, most: 4 },
    { maxPoolSize: 1, maxConcurrentLoads: undefined, most: 1 },
    { maxPoolSize: 0, maxConcurrentLoads: 3, most: 3 },
  ])('stay under half of the pool: %j', async ({ maxPoolSize, maxConcurrentLoads, most }) => {
    const pooled = await openDatabase({ maxPoolSize })
    let inFlight = 0
    let highest = 0
    pooled.client.on('commandStarted', ({ commandName }) => {
      if (isRead(commandName)) highest = Math.max(highest, ++inFlight)
    })
    pooled.client.on('commandSucceeded', ({ commandName }) => {
      if (isRead(commandName)) inFlight--
    })
    // The queries of the check are no loads.
    const checks = { user_id_never_found: false }
    const userData = createTestUserData(pooled, { maxConcurrentLoads, loadTimeoutMs: 10_000, checks })
    await userData.ready()
    await Promise.all(Array.from({ length: 100 }, (_, n) => loadCustomData(userData, `user-${n}`)))
    await pooled.close()
    expect(highest).toBe(most)
  })
})
