import { BSON } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { PlainDatabase } from '../../lib/testing/plain-database.js'

const NEEDS_MONGODB = { code: 'real_mongodb_needed' }

/** Creates a collection with one document. */
async function createCollection() {
  const collection = new PlainDatabase(BSON, () => 0).collection('profiles')
  await collection.insertOne({ _id: 1, name: 'a' })
  return collection
}

describe('a plain collection', () => {
  it.each([
    [{ name: { $regex: 'a' } }, '$regex'],
    [{ $or: [{ name: 'a' }] }, '$or'],
    [{ name: /a/ }, 'regular expression'],
    [{ name: { $in: [new BSON.BSONRegExp('a')] } }, 'regular expression'],
    [{ n: { $gt: 5 } }, '$gt'],
    [{ name: { $type: 'int' } }, '$type'],
  ])('says that the filter %j needs a real MongoDB', async (filter, named) => {
    const found = (await createCollection()).findOne(filter, {})
    await expect(found).rejects.toMatchObject(NEEDS_MONGODB)
    await expect(found).rejects.toThrow(named)
  })

  it('says that an aggregation with another stage needs a real MongoDB', async () => {
    const found = (await createCollection()).aggregate([{ $lookup: {} }], {}).toArray()
    await expect(found).rejects.toThrow('$lookup')
  })

  it('says that an upsert with another filter than of equal values needs a real MongoDB', async () => {
    const collection = await createCollection()
    const update = collection.updateOne({ name: { $in: ['b'] } }, { $set: { plan: 'pro' } }, { upsert: true })
    await expect(update).rejects.toMatchObject(NEEDS_MONGODB)
  })

  it('takes the values of an upsert from its filter', async () => {
    const collection = await createCollection()
    await collection.updateOne(
      { name: 'b', 'at.home': { $eq: 1 } },
      { $set: { plan: 'pro' } },
      { upsert: true },
    )
    const found = await collection.findOne({ name: 'b' }, { projection: { _id: 0 } })
    expect(found).toEqual({ name: 'b', at: { home: 1 }, plan: 'pro' })
  })

  it('matches numbers by their values, and a missing field as null', async () => {
    const collection = await createCollection()
    expect(await collection.findOne({ _id: new BSON.Long(1) }, {})).toEqual({ _id: 1, name: 'a' })
    expect(await collection.findOne({ _id: 1n, missing: null }, {})).toEqual({ _id: 1, name: 'a' })
    expect(await collection.findOne({ _id: '1' }, {})).toBeNull()
  })

  it('replaces nothing if no document matches', async () => {
    const collection = await createCollection()
    expect(await collection.replaceOne({ _id: 2 }, {})).toEqual({ matchedCount: 0, modifiedCount: 0 })
  })

  it('is the same collection for the same name', () => {
    const database = new PlainDatabase(BSON, () => 0)
    expect(database.collection('a')).toBe(database.collection('a'))
    expect(database.collection('a')).not.toBe(database.collection('b'))
  })
})
