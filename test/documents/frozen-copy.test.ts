import type { Collection, Document } from 'mongodb'
import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { BSON, ObjectId } from 'mongodb'
import { beforeAll, describe, expect, it } from 'vitest'
import { isFrozenCopyOf, toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { cloneOpaque } from '../../lib/documents/opaque-values.js'
import { PLAIN_BSON } from '../../lib/mongo/team-database.js'
import { useDatabase } from '../support/database.js'
import { HEX, OPAQUE_SAMPLES } from './opaque-samples.js'

/** Keys that have done harm somewhere. */
const HOSTILE = ['constructor', 'prototype', 'toJSON', 'then', 'hasOwnProperty', 'toString', '$x', 'a.b', '']

const database = useDatabase()
let collection: Collection
beforeAll(async () => {
  collection = database.db.collection('documents')
})

/** The document as the server returns it, once for the frozen copy and once for comparison. */
async function roundTrip(document: Document): Promise<{ copy: Document; original: Document }> {
  const { insertedId } = await collection.insertOne(document)
  const read = async () => (await collection.findOne({ _id: insertedId }, PLAIN_BSON))!
  return { copy: toFrozenCopy(await read()), original: await read() }
}

describe('a frozen copy', () => {
  it('equals the document, and is the same JSON', async () => {
    const { copy, original } = await roundTrip({
      ...Object.fromEntries(OPAQUE_SAMPLES.map(({ kind, value }) => [kind, value])),
      text: 'ä',
      number: 1.5,
      nothing: null,
      list: [1, [2, { three: 3 }], new Date(1)],
    })
    expect(copy).toEqual(original)
    expect(JSON.stringify(copy)).toBe(JSON.stringify(original))
    expect(BSON.EJSON.stringify(copy)).toBe(BSON.EJSON.stringify(original))
  })

  it('is frozen at every depth', async () => {
    const { copy } = await roundTrip({ name: 'Alice', address: { city: 'Ulm' }, list: [{ n: 1 }, [2]] })
    expect(() => (copy['name'] = 'Eve')).toThrow(TypeError)
    expect(() => (copy['more'] = 1)).toThrow(TypeError)
    expect(() => delete copy['name']).toThrow(TypeError)
    expect(() => (copy['address'].city = 'Bonn')).toThrow(TypeError)
    expect(() => (copy['list'] as unknown[]).push(1)).toThrow(TypeError)
    expect(() => Object.assign(copy['list'][0] as object, { n: 2 })).toThrow(TypeError)
    expect(() => Object.assign(copy['list'][1] as object, [3])).toThrow(TypeError)
    expect(() => Object.defineProperty(copy, 'name', { value: 'Eve' })).toThrow(TypeError)
    expect(() => Object.setPrototypeOf(copy, { isAdmin: true }) as unknown).toThrow(TypeError)
  })

  it('keeps arrays as arrays, in objects and in arrays', async () => {
    const { copy } = await roundTrip({ list: [[1, 2], []] })
    expect(Array.isArray(copy['list'])).toBe(true)
    const lists = copy['list'] as number[][]
    expect(lists.map(inner => inner.length)).toEqual([2, 0])
    expect([...lists[0]!]).toEqual([1, 2])
  })

  it('does not change the document that it was made from', () => {
    const document = { list: [1], date: new Date(0) }
    toFrozenCopy(document)
    document.list.push(2)
    document.date.setTime(1)
    expect(document).toEqual({ list: [1, 2], date: new Date(1) })
  })

  it('may be spread, cloned and awaited', async () => {
    const { copy, original } = await roundTrip({ date: new Date(0), nested: { a: 1 } })
    const spread = { ...copy, more: 1 }
    expect(spread).toEqual({ ...original, more: 1 })
    expect(structuredClone({ date: copy['date'], nested: copy['nested'] })).toEqual({
      date: new Date(0),
      nested: { a: 1 },
    })
    expect(await Promise.resolve(copy)).toBe(copy)
  })
})

describe.each(HOSTILE)('the key %j in a frozen copy', key => {
  it('is an ordinary own property, and nothing is inherited', async () => {
    const { copy } = await roundTrip({ inner: { [key]: { isAdmin: true } }, list: [{ [key]: 1 }] })
    expect(Object.keys(copy['inner'])).toEqual([key])
    expect(copy['inner'][key]).toEqual({ isAdmin: true })
    expect(copy['list'][0][key]).toBe(1)
    expect(Object.getPrototypeOf(copy['inner'])).toBe(Object.prototype)
    expect(({} as Document)['isAdmin']).toBeUndefined()
  })
})

describe('a key that Object.prototype has, in a frozen copy,', () => {
  it('is an ordinary own member, even if Object.prototype was polluted', () => {
    let called = false
    Object.defineProperty(Object.prototype, 'trap', { configurable: true, set: () => (called = true) })
    try {
      const copy = toFrozenCopy(JSON.parse('{ "trap": 1 }') as object)
      expect(Object.getOwnPropertyDescriptor(copy, 'trap')?.value).toBe(1)
    } finally {
      Reflect.deleteProperty(Object.prototype, 'trap')
    }
    expect(called).toBe(false)
  })
})

describe('the key __proto__ in a frozen copy', () => {
  it('is an own property that changes no prototype, at any depth', async () => {
    const hostile: unknown = JSON.parse('{ "__proto__": { "isAdmin": true }, "list": [{ "__proto__": 1 }] }')
    const { copy } = await roundTrip({ inner: hostile })
    const inner = copy['inner'] as Document
    expect(Object.getOwnPropertyNames(inner)).toEqual(['__proto__', 'list'])
    expect(Object.getPrototypeOf(inner)).toBe(Object.prototype)
    expect(inner['isAdmin']).toBeUndefined()
    expect(Object.getOwnPropertyNames(inner['list'][0])).toEqual(['__proto__'])
    expect(({} as Document)['isAdmin']).toBeUndefined()
    expect(JSON.stringify(inner)).toBe(JSON.stringify(hostile))
  })
})

describe('a frozen copy is recognised', () => {
  const names = fc.constantFrom('a', 'b', '0', '1', '__proto__', 'constructor', '')
  const leaves = fc.oneof(
    fc.constantFrom<unknown>(0, -0, 1, NaN, '', 'a', true, null, undefined, 1n),
    fc.constantFrom(...OPAQUE_SAMPLES.map(({ value }) => value), new ObjectId(), new Date(1), /b/),
  )
  const values = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaves,
      fc.array(tie('value'), { maxLength: 6 }),
      fc.dictionary(names, tie('value'), { maxKeys: 6 }),
    ),
  })).value
  const documents = fc.dictionary(names, values, { maxKeys: 6 })
  /** Everything that a handler can see. */
  const show = (document: object) => inspect(toFrozenCopy(document), { depth: Infinity, getters: true })
  const isSame = (one: object, other: object) =>
    isDeepStrictEqual(toFrozenCopy(one), toFrozenCopy(other)) && show(one) === show(other)

  it('in every document from which it could have been made', () => {
    const isKnown = fc.property(documents, document => isFrozenCopyOf(toFrozenCopy(document), document))
    fc.assert(isKnown, { numRuns: 2_000 })
  })

  it('in no other document', () => {
    const others = fc.property(documents, documents, (one, other) => {
      expect(isFrozenCopyOf(toFrozenCopy(one), other)).toBe(isSame(one, other))
    })
    fc.assert(others, { numRuns: 5_000 })
  })

  it('in no document with any small difference', () => {
    const changes = fc.property(documents, names, values, (document, name, value) => {
      const other = Object.defineProperty({ ...document }, name, { value, enumerable: true })
      expect(isFrozenCopyOf(toFrozenCopy(document), other)).toBe(isSame(document, other))
    })
    fc.assert(changes, { numRuns: 5_000 })
  })

  it('not with another ObjectId', () => {
    expect(isFrozenCopyOf(toFrozenCopy({ id: new ObjectId(HEX) }), { id: new ObjectId() })).toBe(false)
  })

  // Handlers cannot see changes of a RegExp, because each access gives a new one.
  it.each(OPAQUE_SAMPLES.filter(({ kind }) => kind !== 'RegExp'))(
    'by the value of a $kind, and not by its identity',
    ({ value, spoil }) => {
      const make = () => ({ value: cloneOpaque(value), list: [0, cloneOpaque(value)] as const })
      const copy = toFrozenCopy(make())
      expect(isFrozenCopyOf(copy, make())).toBe(true)
      const [first, second] = [make(), make()]
      spoil(first.value as never)
      spoil(second.list[1] as never)
      for (const other of [first, second]) expect(isFrozenCopyOf(copy, other)).toBe(isSame(make(), other))
    },
  )

  it('not if its members have another order, because handlers see the order', () => {
    expect(isFrozenCopyOf(toFrozenCopy({ a: 1, b: 2 }), { b: 2, a: 1 })).toBe(false)
  })

  it('not if a list has a hole', () => {
    const holed: unknown[] = []
    holed[1] = undefined
    expect(isFrozenCopyOf(toFrozenCopy({ list: ['x', undefined] }), { list: holed })).toBe(false)
  })

  it('with any number of values behind getters', () => {
    const many = () => Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`at${n}`, new Date(n)]))
    const copy = toFrozenCopy(many())
    expect(isFrozenCopyOf(copy, many())).toBe(true)
    for (let n = 0; n < 9; n++) {
      expect(isFrozenCopyOf(copy, { ...many(), [`at${n}`]: new Date(99) })).toBe(false)
    }
  })
})
