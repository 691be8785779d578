import type { Collection, Document } from 'mongodb'
import { ObjectId } from 'mongodb'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, UserDocument, WrittenEvent } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

/** While other tests run, many parallel writes take long. */
const PATIENT = { writeTimeoutMs: 60_000 }

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`conditional_${++collections}`)
})

type Options = Partial<CustomUserDataOptions<Document>>

function start(options: Options = {}) {
  const userData = createTestUserData(database, { collection, ...options })
  userData.events.on('warning', () => undefined)
  return userData
}

const forUser = (userId: string, options?: Options): UserDocument<object> => start(options).forUser(userId)
const stored = () => collection.find({}, { projection: { _id: 0 } }).toArray()

type Write = (user: UserDocument<object>, where: Document) => Promise<unknown>

const WRITES: [string, Write, unknown][] = [
  ['update', (user, where) => user.update({ n: 9 }, { where }), undefined],
  [
    'update that returns the document before',
    (user, where) => user.update({ n: 9 }, { where, returns: 'before' }),
    undefined,
  ],
  ['update with upsert', (user, where) => user.update({ n: 9 }, { where, upsert: true }), undefined],
  [
    'update that returns counts',
    (user, where) => user.update({ n: 9 }, { where, returns: 'counts' }),
    { matchedCount: 0, modifiedCount: 0, upserted: false },
  ],
  ['replace', (user, where) => user.replace({ n: 9 }, { where }), undefined],
  [
    'replace that returns the document before',
    (user, where) => user.replace({ n: 9 }, { where, returns: 'before' }),
    undefined,
  ],
  ['replace with upsert', (user, where) => user.replace({ n: 9 }, { where, upsert: true }), undefined],
  [
    'replace that returns counts',
    (user, where) => user.replace({ n: 9 }, { where, returns: 'counts' }),
    { matchedCount: 0, modifiedCount: 0, upserted: false },
  ],
  ['delete', (user, where) => user.delete({ where }), false],
]

describe.each(WRITES)('%s with where', (_name, write, nothing) => {
  beforeEach(() =>
    collection.insertMany([
      { userId: 'alice', n: 1, tags: ['a'] },
      { userId: 'alice', n: 5 },
      { userId: 'bob', n: 7 },
    ]),
  )

  it.each<[Document]>([
    [{ n: 2 }],
    [{ n: 5 }],
    [{ n: 7 }],
    [{ userId: 'bob' }],
    [{ $and: [{ userId: 'bob' }] }],
    [{ $or: [{ userId: 'bob' }, { n: 7 }] }],
    [{ $expr: { $gt: ['$n', 1] } }],
    [{ tags: 'b' }],
  ])('writes nothing if the user’s document does not match %j', async where => {
    const before = await collection.find().toArray()
    const events: WrittenEvent[] = []
    const userData = start()
    userData.events.on('written', event => events.push(event))
    expect(await write(userData.forUser('alice'), where)).toEqual(nothing)
    expect(await collection.find().toArray()).toEqual(before)
    expect(events).toEqual([])
  })

  it('writes the user’s document, and no other, if it matches', async () => {
    expect(await write(forUser('alice'), { n: { $lt: 2 }, tags: 'a' })).not.toEqual(nothing)
    const after = await stored()
    expect(after).not.toContainEqual({ userId: 'alice', n: 1, tags: ['a'] })
    expect(after).toContainEqual({ userId: 'alice', n: 5 })
    expect(after).toContainEqual({ userId: 'bob', n: 7 })
  })
})

describe('upsert with where', () => {
  it.each<[string, Document]>([
    ['the user id field', { userId: 'bob' }],
    ['_id', { _id: 'forged' }],
    ['another field', { plan: 'paid', $and: [{ 'a.b': 1 }] }],
    ['an _id by $or', { $or: [{ _id: 'forged' }] }],
  ])('copies no value of where for %s into a new document', async (_name, where) => {
    const user = forUser('alice')
    await user.update({ n: 1 }, { where, upsert: true })
    const id = (await collection.findOne({}))!._id
    expect(id).toBeInstanceOf(ObjectId)
    expect(await stored()).toEqual([{ userId: 'alice', n: 1 }])
    await collection.deleteMany({})
    await user.replace({ n: 2 }, { where, upsert: true })
    expect(await stored()).toEqual([{ userId: 'alice', n: 2 }])
    expect((await collection.findOne({}))!._id).toEqual(id)
  })

  it('is refused by MongoDB for a positional $, because a new document has no matching element', async () => {
    const options = { where: { tags: 'a' }, upsert: true }
    const update = forUser('alice').update({ $set: { 'tags.$': 'b' } }, options)
    await expect(update).rejects.toMatchObject({ code: 'write_refused' })
    expect(await stored()).toEqual([])
  })

  it('never makes a second document for a user who has one that does not match', async () => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    const user = forUser('alice')
    await Promise.all(
      Array.from({ length: 10 }, () => user.update({ n: 2 }, { where: { n: 3 }, upsert: true })),
    )
    expect(await stored()).toEqual([{ userId: 'alice', n: 1 }])
  })
})

describe('paths', () => {
  const list = [
    { id: 1, done: false },
    { id: 2, done: false },
  ]
  beforeEach(() => collection.insertOne({ userId: 'alice', list, grades: [70, 95, 99] }))

  it('with a positional $ change the element that where matches', async () => {
    const user = forUser('alice')
    expect(
      await user.update({ $set: { 'list.$.done': true } }, { where: { 'list.id': 2 }, returns: 'counts' }),
    ).toEqual({ matchedCount: 1, modifiedCount: 1, upserted: false })
    await user.update({ $inc: { 'grades.$': 1 } }, { where: { grades: { $gte: 99 } }, returns: 'before' })
    expect((await stored())[0]).toMatchObject({
      list: [list[0], { id: 2, done: true }],
      grades: [70, 95, 100],
    })
  })

  it.each(['after', 'before', 'counts'] as const)(
    'with $[name] change the elements that arrayFilters match, and returns: %j works with them',
    async returns => {
      const arrayFilters = [{ 'one.id': { $gt: 1 } }, { grade: { $gte: 90 } }]
      const change = { $set: { 'list.$[one].done': true }, $inc: { 'grades.$[grade]': 1 } }
      const user = forUser('alice')
      if (returns === 'counts') await user.update(change, { arrayFilters, returns })
      else await user.update(change, { arrayFilters, returns })
      expect((await stored())[0]).toMatchObject({
        list: [list[0], { id: 2, done: true }],
        grades: [70, 96, 100],
      })
    },
  )

  it('without an array filter for their name are refused by MongoDB', async () => {
    const refused = { code: 'write_refused', cause: { name: 'MongoServerError' } }
    const user = forUser('alice')
    await expect(user.update({ $set: { 'list.$[x].done': 1 } })).rejects.toMatchObject(refused)
    await expect(user.update({ $set: { 'list.$.done': 1 } })).rejects.toMatchObject(refused)
  })

  it.each<[string, string, object, object]>([
    ['a positional path', 'ids.0', { $set: { 'ids.$': 'bob' } }, { where: { tags: 'x' } }],
    ['all elements', 'ids.0', { $set: { 'ids.$[]': 'bob' } }, {}],
    ['an array filter', 'ids.0', { $set: { 'ids.$[x]': 'bob' } }, { arrayFilters: [{ x: 'alice' }] }],
    ['a positional step before it', 'a.0.id', { $set: { 'a.$[].id': 'bob' } }, {}],
    ['a positional step above it', 'a.0.id', { $set: { 'a.$': {} } }, { where: { tags: 'x' } }],
    ['a rename from a list', 'ids.0', { $rename: { other: 'ids.$' } }, {}],
    ['a rename with where', 'userId', { $rename: { other: 'userId' } }, { where: { tags: 'x' } }],
    ['$setOnInsert', 'userId', { $setOnInsert: { _id: 1 } }, { upsert: true, where: { _id: 1 } }],
    ['an operator', 'userId', { $set: { userId: 'bob' } }, { where: { userId: 'alice' } }],
  ])('that reach the user id field by %s are refused', async (_name, userIdField, change, options) => {
    database.commands.clear()
    const update = forUser('alice', { userIdField }).update(change, options)
    await expect(update).rejects.toThrow(/identifies the document/)
    expect(database.commands).toEqual([])
  })

  it.each<[string, unknown, RegExp]>([
    ['an object', { x: 1 }, /arrayFilters.*list/],
    ['a list of texts', ['x'], /arrayFilters\.0.*filter/],
    ['$where', [{ x: { $where: '1' } }], /\$where/],
    ['undefined', [{ 'x.y': undefined }], /undefined/],
    ['too many filters', Array.from({ length: 200 }, (_v, i) => ({ [`x${i}`]: 1 })), /100/],
  ])('have array filters, and %s is refused', async (_name, arrayFilters, message) => {
    const update = forUser('alice').update({ $set: { 'a.$[x]': 1 } }, { arrayFilters } as never)
    await expect(update).rejects.toThrow(message)
  })
})

describe('returns', () => {
  const before = { userId: 'alice', n: 1, plan: 'free' }
  let insertedId: unknown
  beforeEach(async () => ({ insertedId } = await collection.insertOne({ ...before })))

  it('before gives the document as it was, for an update and for a replacement', async () => {
    const user = forUser('alice')
    expect(await user.update({ $inc: { n: 1 } }, { returns: 'before' })).toEqual({
      _id: insertedId,
      ...before,
    })
    expect(await user.replace({ m: 1 }, { returns: 'before' })).toEqual({ _id: insertedId, ...before, n: 2 })
    expect(await collection.find().toArray()).toEqual([{ _id: insertedId, userId: 'alice', m: 1 }])
  })

  it('before accepts a replacement that was read, and refuses another _id and another user’s id', async () => {
    const user = forUser('alice')
    const read = (await user.read()) ?? {}
    expect(await user.replace({ ...read, n: 2, a: undefined }, { returns: 'before' })).toEqual(read)
    expect(await stored()).toEqual([{ ...before, n: 2, a: null }])
    await expect(user.replace({ _id: 'other' }, { returns: 'before' })).rejects.toMatchObject({
      code: 'write_refused',
      cause: { code: 66 },
    })
    await expect(user.replace({ userId: 'bob' }, { returns: 'before' })).rejects.toThrow(TypeError)
    expect(await stored()).toEqual([{ ...before, n: 2, a: null }])
  })

  it('before gives each state once to parallel writes', async () => {
    const user = forUser('alice', PATIENT)
    const all = await Promise.all(
      Array.from({ length: 20 }, () => user.update({ $inc: { n: 1 } }, { returns: 'before' })),
    )
    const numbers = all.map(one => (one as { n: number }).n).sort((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: 20 }, (_value, i) => i + 1))
  })

  it.each<[Document]>([[{ plan: 0 }], [{ _id: 0, n: 1 }], [{ double: { $multiply: ['$n', 2] } }]])(
    'before gives what handlers got with the projection %j',
    async projection => {
      const user = forUser('alice', { projection })
      const read = await user.read()
      expect(await user.update({ $set: { n: 5 } }, { returns: 'before' })).toEqual(read)
      await collection.updateOne({}, { $set: { n: 1 } })
      expect(await user.replace({ m: 1 }, { returns: 'before' })).toEqual(read)
    },
  )

  it('before is over the size limit as a load would be, after the write has happened and was told', async () => {
    await collection.updateOne({}, { $set: { long: 'x'.repeat(2_000) } })
    const userData = start({ maxDocumentBytes: 1_000 })
    const events: WrittenEvent[] = []
    userData.events.on('written', event => events.push(event))
    const update = userData.forUser('alice').update({ $unset: { long: 1 } }, { returns: 'before' })
    await expect(update).rejects.toMatchObject({ code: 'custom_data_too_large' })
    expect(events).toHaveLength(1)
    expect(await stored()).toEqual([before])
  })

  it('before is undefined for a new document', async () => {
    expect(await forUser('bob').update({ n: 1 }, { upsert: true, returns: 'before' })).toBeUndefined()
    expect(await forUser('carol').replace({ n: 1 }, { upsert: true, returns: 'before' })).toBeUndefined()
    expect(await collection.countDocuments()).toBe(3)
  })

  it('counts tells what was matched, modified and inserted, and reads nothing', async () => {
    const user = forUser('alice')
    database.commands.clear()
    const counts = await user.update({ n: 2 }, { returns: 'counts' })
    expect(counts).toEqual({ matchedCount: 1, modifiedCount: 1, upserted: false })
    expect(database.commands.loads()).toHaveLength(1)
    expect(await user.update({ n: 2 }, { returns: 'counts' })).toEqual({
      matchedCount: 1,
      modifiedCount: 0,
      upserted: false,
    })
    const inserted = { matchedCount: 0, modifiedCount: 0, upserted: true }
    expect(await forUser('bob').update({ n: 2 }, { returns: 'counts', upsert: true })).toEqual(inserted)
    expect(await forUser('carol').replace({ n: 2 }, { returns: 'counts', upsert: true })).toEqual(inserted)
  })

  it('and other options with a wrong name or value are refused', async () => {
    const user = forUser('alice')
    for (const options of [{ returns: 'old' }, { were: {} }, { arrayFilter: [] }])
      await expect(user.update({ n: 2 }, options as never)).rejects.toMatchObject({ code: 'invalid_option' })
    await expect(user.update({ n: 2 }, { were: {} } as never)).rejects.toThrow(/did you mean "where"/)
    await expect(user.replace({ n: 2 }, { arrayFilters: [] } as never)).rejects.toThrow(/arrayFilters/)
    await expect(user.delete({ returns: 'before' } as never)).rejects.toThrow(/returns/)
    await expect(user.find({}, { project: {} } as never)).rejects.toThrow(/did you mean "projection"/)
    expect(await stored()).toEqual([before])
  })
})

describe('parallel writes', () => {
  it('of which each needs the counter as it was read: exactly one succeeds', async () => {
    await collection.insertOne({ userId: 'alice', n: 1 })
    const users = [forUser('alice', PATIENT), forUser('alice', PATIENT)]
    const all = await Promise.all(
      Array.from({ length: 20 }, (_value, i) =>
        users[i % 2]!.update({ $inc: { n: 1 } }, { where: { n: 1 }, returns: 'counts' }),
      ),
    )
    expect(all.filter(({ modifiedCount }) => modifiedCount === 1)).toHaveLength(1)
    expect(await stored()).toEqual([{ userId: 'alice', n: 2 }])
  })

  it('of counters count each success once', async () => {
    await collection.insertOne({ userId: 'alice', n: 0, done: 0 })
    const user = forUser('alice', PATIENT)
    async function addOne(): Promise<void> {
      for (;;) {
        const { n = 0 } = ((await user.read()) ?? {}) as { n?: number }
        const { matchedCount } = await user.update({ n: n + 1 }, { where: { n }, returns: 'counts' })
        if (matchedCount === 1) return
      }
    }
    await Promise.all(Array.from({ length: 8 }, addOne))
    expect(await stored()).toEqual([{ userId: 'alice', n: 8, done: 0 }])
  })

  it('never reach the document after it has changed its owner', async () => {
    await collection.insertMany([
      { _id: 'first' as never, userId: 'alice' },
      { _id: 'second' as never, userId: 'alice' },
    ])
    const user = forUser('alice', PATIENT)
    const moved: number[] = []
    const moving = (async () => {
      for (let i = 0; i < 10; i++) {
        const change = i % 2 ? { userId: 'alice', hitAsBob: '$hit' } : { userId: 'bob', hitBefore: '$hit' }
        await collection.updateOne({ _id: 'first' as never }, [{ $set: change }])
        if (i % 2 === 0) continue
        const { hitAsBob, hitBefore } = (await collection.findOne({ _id: 'first' as never }))!
        moved.push((hitAsBob ?? 0) - (hitBefore ?? 0))
      }
    })()
    const writes = Array.from({ length: 30 }, () =>
      user.update({ $inc: { hit: 1 } }, { where: { nothing: { $exists: false } }, returns: 'counts' }),
    )
    const [counts] = await Promise.all([Promise.all(writes), moving])
    for (const { matchedCount } of counts) expect(matchedCount).toBe(1)
    expect(moved).toEqual(Array.from({ length: 5 }, () => 0))
  })
})
