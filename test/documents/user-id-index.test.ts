import type { Collection, CreateIndexesOptions, IndexSpecification } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { createUserIdIndex } from '../../lib/documents/user-id-index.js'
import type { UserIdIndex } from '../../lib/documents/user-id-index.js'
import { createEvents } from '../../lib/events.js'
import type { WarningEvent } from '../../lib/events.js'
import { useDatabase } from '../support/database.js'

interface GivenIndex {
  what: string
  key: IndexSpecification
  options?: CreateIndexesOptions
}

const SIMPLE = { locale: 'simple' }
const USABLE: GivenIndex[] = [
  { what: 'a plain one', key: { userId: 1 } },
  { what: 'a sparse one', key: { userId: 1 }, options: { sparse: true } },
  { what: 'a unique one', key: { userId: 1 }, options: { unique: true } },
  {
    what: 'a unique one of the documents that have the field',
    key: { userId: 1 },
    options: { unique: true, partialFilterExpression: { userId: { $exists: true } } },
  },
]
const UNUSABLE: GivenIndex[] = [
  { what: 'a descending one', key: { userId: -1 } },
  { what: 'a compound one', key: { userId: 1, kind: 1 } },
  { what: 'a hashed one', key: { userId: 'hashed' } },
  { what: 'one on another field', key: { other: 1 } },
  {
    what: 'a case-insensitive one',
    key: { userId: 1 },
    options: { collation: { locale: 'en', strength: 2 } },
  },
  { what: 'a partial one', key: { userId: 1 }, options: { partialFilterExpression: { active: true } } },
]

const database = useDatabase()
let collections = 0

function indexOf(options: { uniqueUserId?: boolean; userIdField?: string } = {}): UserIdIndex {
  const config = { userIdField: 'userId', uniqueUserId: false, loadTimeoutMs: 5_000, ...options }
  return createUserIdIndex(config, createEvents())
}

async function collectionWith({ key, options }: Omit<GivenIndex, 'what'>): Promise<Collection> {
  const collection = await database.db.createCollection(`collection_${++collections}`)
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the overload with three came with mongodb 7.6
  await collection.createIndex(key, { ...options, name: 'theirs' })
  return collection
}

async function indexNames(collection: Collection): Promise<unknown[]> {
  return (await collection.indexes()).map(({ name }) => name)
}

describe('the index on the user id', () => {
  it.each(USABLE)('is an index of the team if it gives the order: $what', async given => {
    const collection = await collectionWith(given)
    await indexOf().ensure(collection)
    expect(await indexNames(collection)).toEqual(['_id_', 'theirs'])
    expect(await indexOf().name(collection)).toBe('theirs')
  })

  it.each(UNUSABLE)(
    'is made if the team has only an index that does not give the order: $what',
    async given => {
      const collection = await collectionWith(given)
      expect(await indexOf().name(collection)).toBeUndefined()
      const index = indexOf()
      await index.ensure(collection)
      expect(await index.name(collection)).toBe('express_custom_user_data:userId')
    },
  )

  it('causes a warning if a hidden index prevents it, and users are served', async () => {
    const collection = await collectionWith({ key: { userId: 1 }, options: { hidden: true } })
    const events = createEvents()
    const warnings: WarningEvent[] = []
    events.emitter.on('warning', warning => warnings.push(warning))
    const index = createUserIdIndex(
      { userIdField: 'userId', uniqueUserId: false, loadTimeoutMs: 5_000 },
      events,
    )
    await index.ensure(collection)
    expect(warnings).toMatchObject([
      { code: 'user_id_index_missing', message: expect.stringContaining('hidden') },
    ])
    expect(await index.name(collection)).toBeUndefined()
  })

  it('compares ids exactly in a case-insensitive collection', async () => {
    const collection = await database.db.createCollection('insensitive', {
      collation: { locale: 'en', strength: 2 },
    })
    const index = indexOf()
    await index.ensure(collection)
    const made = (await collection.indexes()).find(({ name }) => name === 'express_custom_user_data:userId')
    expect(made?.collation ?? SIMPLE).toMatchObject(SIMPLE)
    expect(await index.name(collection)).toBe('express_custom_user_data:userId')
  })

  it('is the index on _id if _id is the user id', async () => {
    const collection = await database.db.createCollection('by_primary_key')
    const index = indexOf({ userIdField: '_id', uniqueUserId: true })
    await index.ensure(collection)
    expect(await indexNames(collection)).toEqual(['_id_'])
    expect(await index.name(collection)).toBe('_id_')
  })

  it('is unique by option, and then leaves out documents without the field', async () => {
    const collection = await database.db.createCollection('unique')
    await indexOf({ uniqueUserId: true }).ensure(collection)
    await collection.insertMany([{ n: 1 }, { n: 2 }, { userId: 'alice' }])
    await expect(collection.insertOne({ userId: 'alice' })).rejects.toMatchObject({ code: 11000 })
  })

  it('is made unique even if the team has a plain index', async () => {
    const collection = await collectionWith({ key: { userId: 1 } })
    await indexOf({ uniqueUserId: true }).ensure(collection)
    expect(await indexNames(collection)).toEqual(['_id_', 'theirs', 'express_custom_user_data_unique:userId'])
  })

  it('is made only once', async () => {
    const collection = await database.db.createCollection('often')
    const index = indexOf()
    await Promise.all([index.ensure(collection), index.ensure(collection), indexOf().ensure(collection)])
    expect(await indexNames(collection)).toEqual(['_id_', 'express_custom_user_data:userId'])
  })

  it.each([true, false])(
    'has a name of its own for each user id field, so that two instances share a collection (unique: %j)',
    async uniqueUserId => {
      const collection = await database.db.createCollection(`shared_${uniqueUserId}`)
      const [first, second] = ['userId', 'profile.owner'].map(userIdField =>
        indexOf({ userIdField, uniqueUserId }),
      ) as [UserIdIndex, UserIdIndex]
      for (const index of [first, second]) await index.ensure(collection)
      const names = [await first.name(collection), await second.name(collection)]
      expect(new Set(names).size).toBe(2)
      expect(await indexNames(collection)).toEqual(['_id_', ...names])
    },
  )

  it('is made if the collection does not exist yet', async () => {
    const collection = database.db.collection('not_there_yet')
    const index = indexOf()
    expect(await index.name(collection)).toBeUndefined()
    await index.ensure(collection)
    expect(await index.name(collection)).toBe('express_custom_user_data:userId')
  })

  it('is looked up again only after the server has refused it and it is gone', async () => {
    const collection = await collectionWith({ key: { userId: 1 } })
    const index = indexOf()
    await index.name(collection)
    database.commands.clear()
    await index.name(collection)
    expect(database.commands).toHaveLength(0)
    await index.refused(collection)
    await index.name(collection)
    expect(database.commands.named('listIndexes')).toHaveLength(1)
    await collection.dropIndexes()
    await index.refused(collection)
    expect(index.state()).toBe('missing')
    expect(await index.name(collection)).toBeUndefined()
    expect(database.commands.named('listIndexes')).toHaveLength(3)
  })

  it('is found if the collection prefers secondaries', async () => {
    const { collectionName } = await collectionWith({ key: { userId: 1 } })
    const collection = database.db.collection(collectionName, { readPreference: 'secondary' })
    expect(await indexOf().name(collection)).toBe('theirs')
  })
})
