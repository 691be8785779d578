import { Code, DBRef, ObjectId } from 'mongodb'
import type { Collection } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { openDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { startFollower } from '../support/following.js'
import { insertInvalidText } from '../support/raw-insert.js'
import type { Follower } from '../support/following.js'

interface Profile {
  _id: number | string
  userId?: unknown
  n?: number
}

const writing = useDatabase()
let reading: TestDatabase
let documents: Collection<Profile>
let there: Follower
beforeAll(async () => {
  reading = await openDatabase()
})
beforeEach(async () => {
  documents = writing.db.collection('custom_user_data')
  await documents.deleteMany({})
  await start()
})
afterEach(() => there.userData.close())
afterAll(async () => {
  await reading.client.close()
})

/** The other instance, with its own client, as in another process. */
async function start(options: Parameters<typeof startFollower>[1] = {}): Promise<void> {
  there = await startFollower(reading.client.db(writing.db.databaseName), options)
  reading.commands.clear()
}

const loads = () => reading.commands.loads().length

const ALICE = { _id: 1, userId: 'alice', n: 1 }

describe('users see a change that another process makes to their document', () => {
  it.each<[string, (of: Collection<Profile>) => Promise<unknown>, unknown]>([
    ['an update', of => of.updateOne({ _id: 1 }, { $set: { n: 2 } }), { ...ALICE, n: 2 }],
    ['an update by a pipeline', of => of.updateOne({ _id: 1 }, [{ $set: { n: 2 } }]), { ...ALICE, n: 2 }],
    ['a replacement', of => of.replaceOne({ _id: 1 }, { userId: 'alice', n: 2 }), { ...ALICE, n: 2 }],
    ['a replacement by a document without a user id', of => of.replaceOne({ _id: 1 }, { n: 2 }), {}],
    ['a deletion', of => of.deleteOne({ _id: 1 }), {}],
    ['another user id', of => of.updateOne({ _id: 1 }, { $set: { userId: 'bob' } }), {}],
    ['no user id any more', of => of.updateOne({ _id: 1 }, { $unset: { userId: 1 } }), {}],
    ['a user id in an array', of => of.updateOne({ _id: 1 }, { $set: { userId: ['alice'] } }), {}],
    ['a drop of the collection', of => of.drop(), {}],
    ['a renamed collection', of => of.rename('elsewhere', { dropTarget: true }), {}],
  ])('%s', async (_name, change, expected) => {
    await documents.insertOne(ALICE)
    await there.seesOf('alice', ALICE)
    await change(documents)
    await there.seesOf('alice', expected)
  })

  it('a deletion of the first of two documents, so that the other one counts', async () => {
    await documents.insertMany([ALICE, { _id: 2, userId: 'alice', n: 2 }])
    await there.seesOf('alice', ALICE)
    await documents.deleteOne({ _id: 1 })
    await there.seesOf('alice', { _id: 2, userId: 'alice', n: 2 })
  })
})

describe('users see the document that another process gives them', () => {
  it('a first document for a user without a document', async () => {
    await there.seesOf('alice', {})
    await documents.insertOne(ALICE)
    await there.seesOf('alice', ALICE)
  })

  it('a duplicate that comes before their present document', async () => {
    const userId = new ObjectId()
    const id = userId.toHexString()
    await documents.insertOne({ _id: 1, userId })
    await there.seesOf(id, { _id: 1, userId })
    await documents.insertOne({ _id: 2, userId: id })
    await there.seesOf(id, { _id: 2, userId: id })
  })

  it('a document that belonged to another user: both users see the change', async () => {
    await documents.insertOne(ALICE)
    await there.seesOf('alice', ALICE)
    await there.seesOf('bob', {})
    await documents.updateOne({ _id: 1 }, { $set: { userId: 'bob' } })
    await there.seesOf('bob', { ...ALICE, userId: 'bob' })
    await there.seesOf('alice', {})
  })

  it('a user id as an ObjectId', async () => {
    const userId = new ObjectId()
    await there.seesOf(userId.toHexString(), {})
    await documents.insertOne({ _id: 1, userId })
    await there.seesOf(userId.toHexString(), { _id: 1, userId })
  })

  it('a user id in a nested field', async () => {
    await there.userData.close()
    await start({ userIdField: 'owner.id' })
    await there.seesOf('alice', {})
    await documents.insertOne({ _id: 1, owner: { id: 'alice' } } as object as Profile)
    await there.seesOf('alice', { _id: 1, owner: { id: 'alice' } })
    await documents.updateOne({ _id: 1 }, { $set: { owner: { id: 'bob' } } })
    await there.seesOf('alice', {})
  })

  it('a user id that is the _id of the document', async () => {
    await there.userData.close()
    await start({ userIdField: '_id' })
    await there.seesOf('alice', {})
    await documents.insertOne({ _id: 'alice', n: 1 })
    await there.seesOf('alice', { _id: 'alice', n: 1 })
    await documents.deleteOne({ _id: 'alice' })
    await there.seesOf('alice', {})
  })

  it('a user id of another type, which the callback toFieldValues returns', async () => {
    await there.userData.close()
    await start({ toFieldValues: id => [Number(id)] })
    await there.seesOf('7', {})
    await documents.insertOne({ _id: 1, userId: 7 })
    await there.seesOf('7', { _id: 1, userId: 7 })
    await documents.updateOne({ _id: 1 }, { $set: { userId: 8 } })
    await there.seesOf('7', {})
  })

  it('a document in a collection that was dropped and created again', async () => {
    await documents.insertOne(ALICE)
    await there.seesOf('alice', ALICE)
    await documents.drop()
    await there.until('custom_data', 'open', 2)
    await there.seesOf('alice', {})
    await documents.insertOne({ ...ALICE, n: 2 })
    await there.seesOf('alice', { ...ALICE, n: 2 })
  })
})

describe('a change', () => {
  it('does not invalidate the snapshots of other users', async () => {
    await documents.insertMany([ALICE, { _id: 2, userId: 'bob' }])
    await there.seesOf('alice', ALICE)
    await there.dataOf('bob')
    reading.commands.clear()
    await documents.deleteOne({ _id: 1 })
    await there.seesOf('alice', {})
    await there.dataOf('bob')
    expect(loads()).toBe(1)
  })

  it('is reported without the document, which stays on the server', async () => {
    const sent: unknown[] = []
    reading.client.on('commandSucceeded', ({ commandName, reply }) => {
      if (commandName === 'getMore')
        sent.push(...(reply as { cursor: { nextBatch: unknown[] } }).cursor.nextBatch)
    })
    await documents.insertOne({ ...ALICE, secret: 'of alice' } as Profile)
    await there.seesOf('alice', { ...ALICE, secret: 'of alice' })
    await documents.updateOne({ _id: 1 }, { $set: { secret: 'of alice, too' } })
    await there.seesOf('alice', { ...ALICE, secret: 'of alice, too' })
    expect(sent.length).toBeGreaterThan(0)
    expect(JSON.stringify(sent)).not.toContain('of alice')
  })
})

describe('an odd document', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 'x' : { a: nested(depth - 1) })
  const insertText = () =>
    insertInvalidText(
      inject('mongoUri'),
      { database: writing.db.databaseName, collection: 'custom_user_data' },
      { _id: 9, userId: '?' },
    )

  /** No driver sends such a field, so an update on the server makes it. */
  const insertBsonType = async () => {
    await documents.insertOne({ _id: 9 })
    const members = [
      { k: '_bsontype', v: 'zzz' },
      { k: 'buffer', v: 'abc' },
    ]
    await documents.updateOne({ _id: 9 }, [{ $set: { userId: { $arrayToObject: [members] } } }])
  }

  it.each<[string, () => Promise<unknown>]>([
    ['a user id nested 30 deep', () => documents.insertOne({ _id: 9, userId: nested(30) })],
    ['a user id nested 90 deep', () => documents.insertOne({ _id: 9, userId: nested(90) })],
    ['a user id that names itself a BSON type', insertBsonType],
    ['a text that is not UTF-8', insertText],
    ['a regular expression', () => documents.insertOne({ _id: 9, userId: /a/ })],
    ['a reference', () => documents.insertOne({ _id: 9, userId: new DBRef('users', new ObjectId()) })],
    ['code', () => documents.insertOne({ _id: 9, userId: new Code('1', { a: 1 }) })],
    ['a text of a megabyte', () => documents.insertOne({ _id: 9, userId: 'x'.repeat(1_000_000) })],
    ['an id nested 30 deep', () => documents.insertOne({ _id: nested(30) as string, userId: 'odd' })],
  ])('does not stop the stream or invalidate all users: %s', async (_name, insert) => {
    await documents.insertMany([ALICE, { _id: 2, userId: 'bob' }])
    await there.seesOf('alice', ALICE)
    await there.dataOf('bob')
    await insert()
    await documents.updateOne({ _id: 1 }, { $set: { n: 2 } })
    reading.commands.clear()
    await there.seesOf('alice', { ...ALICE, n: 2 })
    await there.dataOf('bob')
    expect(loads()).toBe(1)
    expect(there.states.map(({ state }) => state)).toEqual(['open', 'open'])
  })
})

describe('a running load', () => {
  let arrived: PromiseWithResolvers
  let released: PromiseWithResolvers
  beforeEach(async () => {
    await there.userData.close()
    ;[arrived, released] = [withResolvers(), withResolvers()]
    // The load has read, and waits until it is released.
    const validate = async (value: unknown) => {
      if ((value as Profile).userId === 'alice') {
        arrived.resolve()
        await released.promise
      }
      return { value: value as Record<string, unknown> }
    }
    await start({ schema: { '~standard': { version: 1, vendor: 'test', validate } } })
  })

  interface PromiseWithResolvers {
    readonly promise: Promise<void>
    readonly resolve: () => void
  }

  function withResolvers(): PromiseWithResolvers {
    let resolve!: () => void
    return { promise: new Promise<void>(done => (resolve = done)), resolve }
  }

  /** Waits until the stream has delivered all earlier writes. */
  async function delivered(): Promise<void> {
    await there.dataOf('marker')
    await documents.insertOne({ _id: 'marker', userId: 'marker' })
    await there.seesOf('marker', { _id: 'marker', userId: 'marker' })
  }

  it.each<[string, (of: Collection<Profile>) => Promise<unknown>, unknown]>([
    ['changed', of => of.updateOne({ _id: 1 }, { $set: { n: 2 } }), { ...ALICE, n: 2 }],
    ['deleted', of => of.deleteOne({ _id: 1 }), {}],
    ['given to another user', of => of.updateOne({ _id: 1 }, { $set: { userId: 'bob' } }), {}],
    ['taken from its user', of => of.updateOne({ _id: 1 }, { $unset: { userId: 1 } }), {}],
  ])('is repeated if the document that it has read is %s', async (_name, change, expected) => {
    await documents.insertOne(ALICE)
    await delivered()
    const waiting = there.dataOf('alice')
    await arrived.promise
    await change(documents)
    await documents.deleteOne({ _id: 'marker' })
    await there.seesOf('marker', {})
    released.resolve()
    expect(await waiting).toEqual(expected)
    expect(await there.dataOf('alice')).toEqual(expected)
  })

  it('is not repeated if other documents are changed', async () => {
    await documents.insertOne(ALICE)
    await delivered()
    reading.commands.clear()
    const waiting = there.dataOf('alice')
    await arrived.promise
    await documents.deleteOne({ _id: 'marker' })
    await there.seesOf('marker', {})
    released.resolve()
    expect(await waiting).toEqual(ALICE)
    // The load for alice, and the load for the marker.
    expect(loads()).toBe(2)
  })
})
