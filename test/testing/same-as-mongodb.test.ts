import type { CustomUserData, UpdateOperators } from 'express-custom-user-data'
import { createTestUserData } from 'express-custom-user-data/testing'
import { Binary, BSON, Decimal128, Double, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { createTestUserData as createRealUserData } from '../support/user-data.js'

type Document = Record<string, unknown>
type Instance = CustomUserData<Readonly<Document>>

const ALICE: Document = {
  plan: 'pro',
  count: 1,
  half: 0.5,
  whole: new Double(2),
  long: Long.fromNumber(3),
  huge: Long.fromString('9007199254740993'),
  price: Decimal128.fromString('1.10'),
  since: new Date(0),
  bytes: new Binary(Buffer.from('ab')),
  friend: new ObjectId('65a000000000000000000001'),
  pattern: /a.c/i,
  yes: true,
  nothing: null,
  missing: undefined,
  address: { city: 'Bern', geo: { lat: 1, lon: 2 } },
  tags: ['a', 'b'],
  orders: [{ id: 1, items: [{ sku: 'x' }] }, 'none', { id: 2 }],
  empty: {},
}

const database = useDatabase()

/** Does the same with both instances, and returns what they give. Errors are compared by their codes. */
async function withBoth(
  act: (userData: Instance) => Promise<unknown>,
  options: { readonly projection?: Document; readonly maxDocumentBytes?: number } = {},
): Promise<{ readonly plain: unknown; readonly real: unknown }> {
  const collection = database.db.collection('custom_user_data')
  await collection.deleteMany({})
  const real = createRealUserData(database, options)
  const plain = createTestUserData<Document>({ bson: BSON, ...options }) as Instance
  await real.ready()
  const outcomes = []
  for (const userData of [plain, real]) {
    const outcome = userData
      .forUser('alice')
      .replace(ALICE, { upsert: true })
      .then(() => act(userData))
    outcomes.push(await outcome.catch((error: unknown) => (error as { code?: unknown }).code))
  }
  await real.close()
  return { plain: outcomes[0], real: outcomes[1] }
}

const read = (userData: Instance) => userData.forUser('alice').read()

describe('a test instance gives the same as MongoDB', () => {
  it.each<[Document]>([
    [{ plan: 'pro' }],
    [{ plan: { $ne: 'pro' } }],
    [{ plan: { $exists: 1 } }],
    [{ nosuch: null }],
    [{ nosuch: { $exists: false }, 'address.city': { $exists: true } }],
    [{ list: 1 }],
    [{ list: { $in: [5, 2] } }],
    [{ list: { $ne: 1 } }],
    [{ list: [1, 2] }],
    [{ list: [2, 1] }],
    [{ 'list.1': 2 }],
    [{ 'items.id': 2 }],
    [{ 'items.id': { $ne: 2 } }],
    [{ 'items.1.id': 2 }],
    [{ 'items.0.id': 2 }],
    [{ items: { $type: 'array' } }],
    [{ list: { $not: { $type: 'array' } } }],
    [{ list: { $type: 'string' } }],
    [{ tags: { $type: 'string' } }],
    [{ at: { $gt: new Date(5) } }],
    [{ at: { $gt: new Date(50) } }],
    [{ $nor: [{ list: 3 }] }],
    [{ $and: [{ list: 1 }, { list: 2 }] }],
  ])('for the filter %j', async filter => {
    const { plain, real } = await withBoth(async ({ forUser }) => {
      const at = new Date(10)
      await forUser('alice').update({
        plan: 'pro',
        list: [1, 2],
        tags: ['a'],
        items: [{ id: 1 }, { id: 2 }],
        at,
      })
      return [
        await forUser('alice').find(filter),
        await forUser('alice').update({ n: 1 }, { where: filter, returns: 'counts' }),
      ]
    })
    expect(plain).toEqual(real)
    expect(plain).toHaveLength(2)
  })

  it.each([
    [undefined],
    [{ plan: 1 }],
    [{ plan: 0, nothing: false }],
    [{ _id: 0 }],
    [{ _id: 1 }],
    [{ _id: 0, count: 1, since: 1 }],
    [{ 'address.geo.lat': 1 }],
    [{ 'address.geo.lat': 0, _id: 0 }],
    [{ 'orders.id': 1 }],
    [{ 'orders.items.sku': 0 }],
    [{ 'plan.name': 1, 'nosuch.name': 1 }],
    [{ tariff: '$plan', lat: '$address.geo.lat', none: '$nosuch' }],
    [{ plan: 1, tariff: '$plan', fixed: { $literal: 7 } }],
    [{ nested: { tariff: '$plan', none: '$nosuch' } }],
  ])('for a load with the projection %j', async projection => {
    const { plain, real } = await withBoth(read, projection && { projection })
    expect(plain).toEqual(real)
    expect(JSON.stringify(plain)).toBe(JSON.stringify(real))
  })

  it.each([
    [-1, 'custom_data_too_large'],
    [0, 'a document'],
  ])('for a limit of the size that is the size plus %i bytes', async (more, expected) => {
    const stored = { _id: new ObjectId(), userId: 'alice', ...ALICE }
    const size = BSON.calculateObjectSize(stored, { ignoreUndefined: false })
    const { plain, real } = await withBoth(read, { maxDocumentBytes: size + more })
    expect(plain).toEqual(real)
    expect(typeof plain === 'string' ? plain : 'a document').toBe(expected)
  })

  it.each<[UpdateOperators]>([
    [{ $set: { plan: 'free' } }],
    [{ $set: { 'address.city': 'Basel', 'address.geo.alt': 3, 'new.deep.field': [1] } }],
    [{ $set: { since: new Date(1), bytes: Buffer.from('c'), undef: undefined, count: 2n } }],
    [{ $unset: { plan: 1, 'address.geo.lat': '', nosuch: 1, 'no.such': 1, 'count.of': 1 } }],
    [{ $set: { 'count.of': 1 } }],
    [{ $set: { address: {} }, $unset: { 'address.city': 1 } }],
    [{ $set: { plan: 'free' }, $unset: { count: 1 } }],
    [{ $set: {} }],
  ])('for the update %#', async operators => {
    const { plain, real } = await withBoth(async userData => [
      await userData.forUser('alice').update(operators),
      await read(userData),
    ])
    expect(plain).toEqual(real)
  })

  it.each<[string, (userData: Instance) => Promise<unknown>]>([
    ['update() with upsert', ({ forUser }) => forUser('bob').update({ plan: 'free' }, { upsert: true })],
    ['update() without a document', ({ forUser }) => forUser('bob').update({ plan: 'free' })],
    ['replace()', ({ forUser }) => forUser('alice').replace({ plan: 'free', at: new Date(2) })],
    ['replace() with upsert', ({ forUser }) => forUser('bob').replace({ plan: 'free' }, { upsert: true })],
    [
      'replace() with upsert of an id like an ObjectId',
      ({ forUser }) => forUser('65a000000000000000000009').replace({ plan: 'free' }, { upsert: true }),
    ],
    ['find()', ({ forUser }) => forUser('alice').find()],
    [
      'find() of a part',
      ({ forUser }) => forUser('alice').find({}, { projection: { plan: 1, n: '$count' } }),
    ],
    [
      'update() that returns counts',
      ({ forUser }) => forUser('alice').update({ n: 1 }, { returns: 'counts' }),
    ],
    [
      'update() that changes nothing',
      async ({ forUser }) => {
        await forUser('alice').update({ plan: 'x' })
        return forUser('alice').update({ plan: 'x' }, { returns: 'counts' })
      },
    ],
    ['delete() with where', ({ forUser }) => forUser('alice').delete({ where: { plan: 'no such' } })],
    [
      'replace() with where',
      ({ forUser }) => forUser('alice').replace({ n: 1 }, { where: { plan: 'no such' } }),
    ],
    ['delete()', async ({ forUser }) => [await forUser('alice').delete(), await forUser('alice').read()]],
    ['delete() without a document', ({ forUser }) => forUser('bob').delete()],
  ])('for %s', async (_name, act) => {
    const { plain, real } = await withBoth(act)
    expect(plain).toEqual(real)
    expect(JSON.stringify(plain)).toBe(JSON.stringify(real))
  })
})
