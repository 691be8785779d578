import { ObjectId } from 'mongodb'
import type { Collection, Document } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { DocumentChanges, WatchOptions } from 'express-custom-user-data'
import { openDatabase, useDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createFollower } from '../support/following.js'
import type { Follower } from '../support/following.js'

const HEX = '64b7f3a1c2d4e5f601234567'
const ALICE = { _id: 1 as never, userId: 'alice', n: 1 }
/** Enough that a read for each write stands out: a load that overlaps with a write is repeated. */
const WRITES = 20

type Options = Parameters<typeof createFollower>[1]
type Changes = DocumentChanges<Readonly<Record<string, unknown>>>

const writing = useDatabase()
let reading: TestDatabase
let documents: Collection
let there: Follower
let collections = 0
beforeAll(async () => {
  reading = await openDatabase()
})
beforeEach(() => {
  documents = writing.db.collection(`documents_${++collections}`)
  there = start()
})
afterEach(() => there.userData.close())
afterAll(() => reading.client.close())

/** The watching instance, with its own client, as in another process. */
function start(options: Options = {}): Follower {
  const db = reading.client.db(writing.db.databaseName)
  return createFollower(db, { collection: db.collection(documents.collectionName), ...options })
}

async function restart(options: Options): Promise<void> {
  await there.userData.close()
  there = start(options)
}

const watch = (userId: string, options?: WatchOptions) => there.userData.forUser(userId).watch(options)

async function next(changes: Changes): Promise<unknown> {
  const { done, value } = await changes.next()
  expect(done).not.toBe(true)
  return value
}

const openWatches = () => there.userData.stats().watches

describe('a watch tells what another process does to the document of its user', () => {
  it('an insert, an update, a replacement and a deletion', async () => {
    const changes = await watch('alice')
    await documents.insertOne(ALICE)
    expect(await next(changes)).toEqual({ operationType: 'insert', documentId: 1, document: ALICE })

    await documents.updateOne({ _id: ALICE._id }, { $set: { n: 2, tags: ['a'] } })
    expect(await next(changes)).toEqual({
      operationType: 'update',
      documentId: 1,
      document: { ...ALICE, n: 2, tags: ['a'] },
      updatedFields: { n: 2, tags: ['a'] },
      removedFields: [],
    })

    await documents.replaceOne({ _id: ALICE._id }, { userId: 'alice', language: 'en' })
    expect(await next(changes)).toEqual({
      operationType: 'update',
      documentId: 1,
      document: { _id: 1, userId: 'alice', language: 'en' },
      updatedFields: { language: 'en' },
      removedFields: ['n', 'tags'],
    })

    await documents.deleteOne({ _id: ALICE._id })
    expect(await next(changes)).toEqual({ operationType: 'delete', documentId: 1 })
  })

  it('only changes after the watch stands, and not the document that is there already', async () => {
    await documents.insertOne(ALICE)
    const changes = await watch('alice')
    await documents.updateOne({ _id: ALICE._id }, { $inc: { n: 1 } })
    expect(await next(changes)).toMatchObject({ operationType: 'update', updatedFields: { n: 2 } })
  })

  it('a drop of the collection, as a deletion', async () => {
    await documents.insertOne(ALICE)
    const changes = await watch('alice')
    await documents.drop()
    expect(await next(changes)).toEqual({ operationType: 'delete', documentId: 1 })
  })

  it('a change of a date, of an ObjectId and of a nested field, with values that nobody can spoil', async () => {
    const ref = new ObjectId()
    await documents.insertOne({
      ...ALICE,
      at: new Date(1),
      kept: new Date(7),
      ref: new ObjectId(),
      in: { x: 1, y: 1 },
    })
    const changes = await watch('alice')
    await documents.updateOne({ _id: ALICE._id }, { $set: { at: new Date(2), ref, 'in.x': 2 } })
    const { value } = await changes.next()
    expect(value).toMatchObject({ updatedFields: { at: new Date(2), ref, in: { x: 2, y: 1 } } })
    const { updatedFields, document } = value as { updatedFields: Document; document: Document }
    expect(Object.keys(updatedFields).sort()).toEqual(['at', 'in', 'ref'])
    ;(updatedFields['at'] as Date).setTime(0)
    expect(updatedFields['at']).toEqual(new Date(2))
    expect(document['at']).toEqual(new Date(2))
    expect(Object.isFrozen(updatedFields['in'])).toBe(true)
  })

  it('several quick changes as one, with the state of now', async () => {
    await documents.insertOne(ALICE)
    const changes = await watch('alice')
    for (let n = 2; n <= 20; n++) await documents.updateOne({ _id: ALICE._id }, { $set: { n } })
    await there.seesOf('alice', { ...ALICE, n: 20 })
    reading.commands.clear()
    expect(await next(changes)).toMatchObject({ updatedFields: { n: 20 } })
    expect(reading.commands.loads()).toHaveLength(1)
  })

  it('nothing while the consumer does not ask: no document is read', async () => {
    await documents.insertOne(ALICE)
    await watch('alice')
    await there.seesOf('alice', ALICE)
    reading.commands.clear()
    for (let n = 1; n <= WRITES; n++) await documents.updateOne({ _id: ALICE._id }, { $set: { n: -n } })
    await there.seesOf('alice', { ...ALICE, n: -WRITES })
    expect(reading.commands.loads().length).toBeLessThan(WRITES / 2)
  })

  it('a write of forUser() in the same process', async () => {
    const changes = await watch('alice')
    await there.userData.forUser('alice').replace({ n: 5 }, { upsert: true })
    expect(await next(changes)).toMatchObject({
      operationType: 'insert',
      document: { userId: 'alice', n: 5 },
    })
  })

  it('the changes of a user whose id is stored by toFieldValues', async () => {
    await restart({ toFieldValues: id => [Number(id)] })
    const changes = await watch('7')
    await documents.insertMany([{ userId: 8 }, { _id: 3 as never, userId: 7 }])
    expect(await next(changes)).toMatchObject({ operationType: 'insert', documentId: 3 })
  })

  it('changes in the order of calls of next() that do not wait for one another', async () => {
    const changes = await watch('alice')
    const both = Promise.all([next(changes), next(changes)])
    await documents.insertOne(ALICE)
    await there.seesOf('alice', ALICE)
    await documents.deleteOne({ _id: ALICE._id })
    expect(await both).toMatchObject([{ operationType: 'insert' }, { operationType: 'delete' }])
  })
})

describe('a watch does not tell', () => {
  it('what happens to documents of other users, and reads nothing for it', async () => {
    await documents.insertMany([ALICE, { _id: 2 as never, userId: 'bob', n: 1 }])
    const changes = await watch('alice')
    const first = next(changes)
    await there.seesOf('bob', { _id: 2, userId: 'bob', n: 1 })
    reading.commands.clear()
    for (let n = 1; n <= WRITES; n++) await documents.updateOne({ _id: 2 as never }, { $set: { n: -n } })
    await documents.insertOne({ userId: 'carol' })
    await documents.insertOne({ userId: ['alice'] })
    await there.seesOf('bob', { _id: 2, userId: 'bob', n: -WRITES })
    await documents.deleteOne({ _id: 2 as never })
    await there.seesOf('bob', {})
    expect(reading.commands.loads().length).toBeLessThan(WRITES / 2)
    await documents.updateOne({ _id: ALICE._id }, { $set: { n: 3 } })
    expect(await first).toMatchObject({ documentId: 1, updatedFields: { n: 3 } })
  })

  it('the content of a document that becomes another user’s: it is a deletion for the one and an insert for the other', async () => {
    await documents.insertOne(ALICE)
    const [ofAlice, ofBob] = await Promise.all([watch('alice'), watch('bob')])
    await documents.updateOne({ _id: ALICE._id }, { $set: { userId: 'bob', secret: 'of bob' } })
    expect(await next(ofAlice)).toEqual({ operationType: 'delete', documentId: 1 })
    const moved = { _id: 1, userId: 'bob', n: 1, secret: 'of bob' }
    expect(await next(ofBob)).toEqual({ operationType: 'insert', documentId: 1, document: moved })
    await documents.updateOne({ _id: ALICE._id }, { $set: { secret: 'later' } })
    await documents.insertOne({ _id: 2 as never, userId: 'alice' })
    expect(await next(ofAlice)).toMatchObject({ operationType: 'insert', documentId: 2 })
  })

  it('fields that the projection hides, nor a change of such fields alone', async () => {
    await restart({ projection: { _id: 0, secret: 0 } })
    await documents.insertOne({ ...ALICE, secret: 1 })
    const changes = await watch('alice')
    const first = next(changes)
    await documents.updateOne({ _id: ALICE._id }, { $set: { secret: 2 } })
    await there.seesOf('alice', { userId: 'alice', n: 1 })
    await documents.updateOne({ _id: ALICE._id }, { $set: { secret: 3, n: 2 } })
    expect(await first).toEqual({
      operationType: 'update',
      documentId: 1,
      document: { userId: 'alice', n: 2 },
      updatedFields: { n: 2 },
      removedFields: [],
    })
  })

  it('an invalidation, or a write of the same values in another order', async () => {
    await documents.insertOne({ ...ALICE, m: 1 })
    const changes = await watch('alice')
    const first = next(changes)
    there.userData.invalidate('alice')
    await documents.replaceOne({ _id: ALICE._id }, { m: 1, n: 1, userId: 'alice' })
    await expect
      .poll(() => there.dataOf('alice').then(data => Object.keys(data as object)))
      .toEqual(['_id', 'm', 'n', 'userId'])
    await documents.updateOne({ _id: ALICE._id }, { $set: { n: 2 } })
    expect(await first).toMatchObject({ updatedFields: { n: 2 } })
  })
})

describe('if another document becomes the user’s', () => {
  it('the deletion of the old document comes first, and then the insert of the new one', async () => {
    await documents.insertMany([ALICE, { _id: 2 as never, userId: 'alice', n: 2 }])
    const changes = await watch('alice')
    await documents.deleteOne({ _id: ALICE._id })
    expect(await next(changes)).toEqual({ operationType: 'delete', documentId: 1 })
    expect(await next(changes)).toMatchObject({ operationType: 'insert', documentId: 2, document: { n: 2 } })
  })

  it('an id as a text comes before the same id as an ObjectId', async () => {
    await documents.insertOne({ _id: 1 as never, userId: ObjectId.createFromHexString(HEX) })
    const changes = await watch(HEX)
    await documents.insertOne({ _id: 2 as never, userId: HEX })
    expect(await next(changes)).toEqual({ operationType: 'delete', documentId: 1 })
    expect(await next(changes)).toMatchObject({ operationType: 'insert', documentId: 2 })
    await documents.updateOne({ _id: 1 as never }, { $set: { n: 1 } })
    await documents.updateOne({ _id: 2 as never }, { $set: { n: 2 } })
    expect(await next(changes)).toMatchObject({
      operationType: 'update',
      documentId: 2,
      updatedFields: { n: 2 },
    })
  })

  it('later changes of the new document are told, and changes of the old one are not read', async () => {
    await documents.insertMany([ALICE, { _id: 2 as never, userId: 'alice', n: 2 }])
    const changes = await watch('alice')
    await documents.updateOne({ _id: ALICE._id }, { $set: { userId: 'nobody' } })
    await next(changes)
    await next(changes)
    const later = next(changes)
    await there.seesOf('nobody', { ...ALICE, userId: 'nobody' })
    reading.commands.clear()
    await documents.updateOne({ _id: ALICE._id }, { $set: { n: 9 } })
    await there.seesOf('nobody', { ...ALICE, userId: 'nobody', n: 9 })
    expect(reading.commands.loads()).toHaveLength(1)
    await documents.updateOne({ _id: 2 as never }, { $set: { n: 3 } })
    expect(await later).toMatchObject({ documentId: 2, updatedFields: { n: 3 } })
  })
})

describe('a watch ends', () => {
  it('without an error when its signal aborts, and the signal has no listener any more', async () => {
    const controller = new AbortController()
    const changes = await watch('alice', { signal: controller.signal })
    expect(openWatches()).toBe(1)
    const waiting = changes.next()
    controller.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(await changes.next()).toEqual({ done: true, value: undefined })
    expect(openWatches()).toBe(0)
  })

  it('at once if its signal has aborted before, without a read', async () => {
    reading.commands.clear()
    const changes = await watch('alice', { signal: AbortSignal.abort() })
    expect(await changes.next()).toEqual({ done: true, value: undefined })
    expect(openWatches()).toBe(0)
    expect(reading.commands.loads()).toEqual([])
  })

  it('when the loop is left', async () => {
    const changes = await watch('alice')
    await documents.insertOne(ALICE)
    const seen: string[] = []
    for await (const { operationType } of changes) {
      seen.push(operationType)
      break
    }
    expect(seen).toEqual(['insert'])
    expect(openWatches()).toBe(0)
  })

  it('by return(), also while next() waits', async () => {
    const changes = await watch('alice')
    const waiting = changes.next()
    expect(await changes.return()).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(openWatches()).toBe(0)
  })

  it('with the error "closed" when the instance is closed, and no other is opened', async () => {
    const [waited, later] = await Promise.all([watch('alice'), watch('alice')])
    const waiting = waited.next()
    const refused = expect(waiting).rejects.toMatchObject({ code: 'closed', status: 503 })
    await there.userData.close()
    await refused
    await expect(later.next()).rejects.toMatchObject({ code: 'closed' })
    expect(await later.next()).toEqual({ done: true, value: undefined })
    await expect(watch('alice')).rejects.toMatchObject({ code: 'closed' })
    expect(openWatches()).toBe(0)
  })

  it('with the error of a read, and tells no more afterwards', async () => {
    await restart({ maxDocumentBytes: 1_000 })
    const changes = await watch('alice')
    await documents.insertOne({ ...ALICE, text: 'x'.repeat(1_000) })
    await expect(changes.next()).rejects.toMatchObject({ code: 'custom_data_too_large', status: 500 })
    expect(await changes.next()).toEqual({ done: true, value: undefined })
    expect(openWatches()).toBe(0)
  })
})

describe('a watch is refused', () => {
  it('if the document cannot be read', async () => {
    await restart({ maxDocumentBytes: 1_000 })
    await documents.insertOne({ ...ALICE, text: 'x'.repeat(1_000) })
    await expect(watch('alice')).rejects.toMatchObject({ code: 'custom_data_too_large' })
    expect(openWatches()).toBe(0)
  })

  it('if change streams are off, with the line to write', async () => {
    await restart({ changeStreams: 'off' })
    await expect(watch('alice')).rejects.toMatchObject({
      code: 'changes_unavailable',
      status: 503,
      message: expect.stringContaining('Write changeStreams: "auto"') as string,
    })
  })

  it.each<[string, unknown, string]>([
    ['an unknown option', { singal: AbortSignal.abort() }, 'did you mean "signal"?'],
    ['a signal that is none', { signal: 'abort' }, 'option "signal": give the signal of an AbortController'],
    ['a controller in place of its signal', { signal: new AbortController() }, 'give the signal'],
    ['options that are no object', 7, 'give an object of options'],
  ])('for %s', async (_name, options, message) => {
    const refused = watch('alice', options as WatchOptions)
    await expect(refused).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message) as string,
    })
    expect(openWatches()).toBe(0)
  })
})

it('the first watch opens the change streams of an instance that has served no request', async () => {
  expect(there.userData.stats().changeStreams.custom_data).toBe('opening')
  const changes = await watch('alice')
  onTestFinished(async () => {
    await changes.return()
  })
  expect(there.userData.stats().changeStreams.custom_data).toBe('open')
})
