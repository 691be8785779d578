import type { Collection, Document } from 'mongodb'
import { Binary, Double, ObjectId } from 'mongodb'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CustomUserDataOptions, UserDocument } from 'express-custom-user-data'
import { openProxiedDatabase, useDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

const HEX = '64b7f3a1c2d4e5f601234567'

/** While other tests run, many parallel queries take long. */
const PATIENT = { loadTimeoutMs: 60_000 }

const database = useDatabase()
let collection: Collection
let collections = 0
beforeEach(() => {
  collection = database.db.collection(`found_${++collections}`)
})

function forUser(
  userId: string,
  options: Partial<CustomUserDataOptions<Document>> = {},
): UserDocument<object> {
  const userData = createTestUserData(database, { collection, ...options })
  userData.events.on('warning', () => undefined)
  return userData.forUser(userId)
}

describe('find()', () => {
  const alice = { _id: 'a' as never, userId: 'alice', language: 'en', tags: ['x', 'y'], credits: 5 }
  const bob = { _id: 'b' as never, userId: 'bob', language: 'de', tags: ['z'], credits: 9 }
  beforeEach(() =>
    collection.insertMany([alice, bob, { _id: 'c' as never, userId: 'alice', language: 'fr' }]),
  )

  it.each<[object | undefined]>([
    [undefined],
    [{}],
    [{ language: 'en' }],
    [{ userId: 'alice' }],
    [{ _id: 'a' }],
    [{ $or: [{ credits: { $gt: 8 } }, { tags: 'y' }] }],
    [{ $expr: { $eq: ['$language', 'en'] } }],
    [{ language: /^E/i }],
    [{ credits: new Double(5) }],
    [{ tags: { $elemMatch: { $in: ['x'] } }, $nor: [{ language: 'de' }] }],
  ])('gives the user’s document if it matches %j', async filter => {
    expect(await forUser('alice').find(filter as Document)).toEqual(alice)
  })

  it.each<[object]>([
    [{ language: 'de' }],
    // The user's second document is not the one that handlers get.
    [{ language: 'fr' }],
    [{ _id: 'b' }],
    [{ userId: 'bob' }],
    [{ userId: { $in: ['bob'] } }],
    [{ $or: [{ userId: 'bob' }, { _id: 'b' }] }],
    [{ $or: [{}], _id: { $ne: 'a' } }],
    [{ $nor: [{ userId: 'alice' }] }],
    [{ $expr: { $eq: ['$userId', 'bob'] } }],
    [{ $and: [{ userId: 'bob' }] }],
    [{ credits: { $gt: 8 } }],
  ])('gives nothing for %j, which only another document matches', async filter => {
    expect(await collection.countDocuments(filter)).toBeGreaterThan(0)
    expect(await forUser('alice').find(filter as Document)).toBeUndefined()
  })

  it('gives nothing for a user without a document', async () => {
    expect(await forUser('carol').find({})).toBeUndefined()
  })

  it('compares binary data and ObjectIds', async () => {
    const stored = { userId: HEX, bytes: new Binary(Buffer.from('ab')), ref: new ObjectId(HEX) }
    await collection.insertOne(stored)
    const user = forUser(HEX)
    expect(await user.find({ bytes: Buffer.from('ab'), ref: new ObjectId(HEX) })).toMatchObject({
      userId: HEX,
    })
    expect(await user.find({ bytes: Buffer.from('ac') })).toBeUndefined()
  })

  it('does not see changes of the filter that are made after the call', async () => {
    const filter: Document = { language: 'en', $or: [{ credits: 5 }] }
    const found = forUser('alice').find(filter)
    filter['language'] = 'de'
    filter['$or'][0].credits = 0
    expect(await found).toEqual(alice)
  })
})

describe('a document that is found', () => {
  beforeEach(() => collection.insertOne({ _id: 'a' as never, userId: 'alice', name: 'A', secret: 's', n: 1 }))

  it('has the projected part', async () => {
    const user = forUser('alice')
    expect(await user.find({}, { projection: { name: 1 } })).toEqual({ _id: 'a', name: 'A' })
    expect(await user.find({}, { projection: { _id: 0, twice: { $multiply: ['$n', 2] } } })).toEqual({
      twice: 2,
    })
    expect(await user.find({ name: 'A' }, { projection: {} })).toHaveProperty('secret', 's')
    expect(await user.find({ name: 'B' }, { projection: { name: 1 } })).toBeUndefined()
    expect(await user.find(undefined, { projection: { secret: 0, _id: 0, userId: 0 } })).toEqual({
      name: 'A',
      n: 1,
    })
  })

  it.each<[Document]>([[{ secret: 0 }], [{ name: 1, n: 1 }], [{ _id: 0, secret: 0 }]])(
    'lacks what the option projection %j leaves out, whatever it is called',
    async projection => {
      const user = forUser('alice', { projection })
      expect(await user.find()).toEqual(await user.read())
      const found = await user.find(
        {},
        { projection: { a: '$secret', b: '$$ROOT.secret', id: '$_id', n: 1 } },
      )
      expect(found).toHaveProperty('n', 1)
      expect(JSON.stringify(found)).not.toContain('"s"')
      expect(found && 'id' in found).toBe(projection['_id'] !== 0)
    },
  )

  it('is read-only', async () => {
    expect(Object.isFrozen(await forUser('alice').find())).toBe(true)
    expect(Object.isFrozen(await forUser('alice').find({}, { projection: { name: 1 } }))).toBe(true)
  })

  it('is refused over the size limit, which counts after the projection', async () => {
    await collection.updateOne({ userId: 'alice' }, { $set: { long: 'x'.repeat(2_000) } })
    const user = forUser('alice', { maxDocumentBytes: 1_000 })
    await expect(user.find()).rejects.toMatchObject({ code: 'custom_data_too_large' })
    expect(await user.find({}, { projection: { _id: 0, name: 1 } })).toEqual({ name: 'A' })
  })

  it('is checked by the schema as a whole, and not in parts', async () => {
    const refuses = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) },
    }
    const user = forUser('alice', { schema: refuses as never })
    await expect(user.find()).rejects.toMatchObject({ code: 'custom_data_invalid' })
    expect(await user.find({}, { projection: { _id: 0, name: 1 } })).toEqual({ name: 'A' })
  })
})

const nested = (levels: number): object =>
  Array.from({ length: levels }).reduce<object>(inner => ({ $and: [inner] }), {})
class Sneaky {
  toBSON() {
    return { $function: { body: 'function() { return true }', args: [], lang: 'js' } }
  }
}

/** Filters that must be refused before anything is sent, and a part of the message. */
const HOSTILE: [string, unknown, RegExp][] = [
  ['$where', { $where: 'this.userId == "bob"' }, /\$where.*JavaScript/],
  [
    '$where, deep inside',
    { $or: [{ a: 1 }, { $and: [{ $where: 'true' }] }] },
    /"\$or\.1\.\$and\.0\.\$where"/,
  ],
  ['$function', { $expr: { $function: { body: 'return 1', args: [], lang: 'js' } } }, /\$function/],
  ['$accumulator', { $expr: { $accumulator: {} } }, /\$accumulator/],
  ['$text', { $text: { $search: 'bob' } }, /\$text.*collection/],
  ['$near', { place: { $near: [0, 0] } }, /\$near.*\$geoWithin/],
  ['$nearSphere', { place: { $nearSphere: [0, 0] } }, /\$nearSphere/],
  ['an internal operator', { a: { $_internalExprEq: 1 } }, /\$_internalExprEq/],
  ['the roles of the database user', { $expr: { $in: ['x', '$$USER_ROLES.role'] } }, /USER_ROLES/],
  ['undefined', { language: undefined }, /"language" is undefined/],
  ['undefined inside', { language: { $eq: undefined } }, /"language.\$eq" is undefined/],
  ['a function', { language: () => 'en' }, /"language" is a function/],
  ['a function that makes the filter', { toBSON: () => ({ $where: 'true' }) }, /"toBSON" is a function/],
  ['an instance that makes the filter', { $expr: new Sneaky() }, /"\$expr".*class/],
  ['a Map', { $expr: new Map([['$function', {}]]) }, /"\$expr".*class/],
  ['an object that poses as BSON', { _id: { _bsontype: 'ObjectId', id: 'x' } }, /_bsontype/],
  ['more levels than other input', nested(40), /levels/],
  ['more members than other input', { a: { $in: Array.from({ length: 6_000 }, (_v, i) => i) } }, /members/],
  ['a text', 'language', /a text/],
  ['a list', [{ language: 'en' }], /a list/],
  ['null', null, /null/],
  ['an ObjectId', new ObjectId(), /an ObjectId/],
]

describe('a filter with', () => {
  beforeEach(() => collection.insertOne({ userId: 'alice', language: 'en', n: 1 }))

  it.each(HOSTILE)('%s is refused before anything is sent', async (_name, filter, message) => {
    database.commands.clear()
    await expect(forUser('alice').find(filter as never)).rejects.toThrow(message)
    await expect(forUser('alice').find(filter as never)).rejects.toBeInstanceOf(TypeError)
    const where = filter as never
    for (const act of [
      () => forUser('alice').update({ n: 2 }, { where }),
      () => forUser('alice').replace({ n: 2 }, { where }),
      () => forUser('alice').delete({ where }),
    ])
      await expect(act()).rejects.toThrow(/option "where".*|list/)
    expect(database.commands).toEqual([])
    expect(await collection.countDocuments({ n: 1 })).toBe(1)
  })

  it('a circle is refused', async () => {
    const filter: Document = {}
    filter['$and'] = [filter]
    await expect(forUser('alice').find(filter)).rejects.toThrow(/levels/)
  })

  it.each<[string, object]>([
    ['$function', { x: { $function: { body: 'return 1', args: [], lang: 'js' } } }],
    ['the roles of the database user', { x: '$$USER_ROLES' }],
    ['undefined', { x: undefined }],
  ])('a projection with %s is refused, too', async (_name, projection) => {
    await expect(forUser('alice').find({}, { projection } as never)).rejects.toThrow(/option "projection"/)
  })

  it('an operator that MongoDB does not know is an error of this package, and the cause says why', async () => {
    const refused = { code: 'query_refused', status: 500, cause: { name: 'MongoServerError' } }
    await expect(forUser('alice').find({ a: { $nonsense: 1 } })).rejects.toMatchObject(refused)
    await expect(forUser('alice').find({}, { projection: { a: 1, b: 0 } })).rejects.toMatchObject(refused)
  })
})

describe('a query', () => {
  it('that MongoDB does not answer in time is a 503', async () => {
    const proxied = await openProxiedDatabase(database)
    const userData = createTestUserData(proxied, { loadTimeoutMs: 200 })
    await userData.forUser('alice').find({})
    proxied.proxy.pause()
    const error = { code: 'custom_data_unavailable', status: 503 }
    await expect(userData.forUser('alice').find({})).rejects.toMatchObject(error)
  })

  it('of a document whose owner changes gives the new document of the user, and never one of another user', async () => {
    await collection.insertMany([
      { _id: 'first' as never, userId: 'alice', n: 1 },
      { _id: 'second' as never, userId: 'alice', n: 2 },
    ])
    const user = forUser('alice', PATIENT)
    const moving = (async () => {
      for (let i = 0; i < 10; i++) {
        await collection.updateOne({ _id: 'first' as never }, { $set: { userId: i % 2 ? 'alice' : 'bob' } })
      }
    })()
    const queries = Array.from({ length: 30 }, () => user.find({ n: { $gt: 0 } }))
    const [found] = await Promise.all([Promise.all(queries), moving])
    for (const one of found) expect(one).toHaveProperty('userId', 'alice')
  })
})
