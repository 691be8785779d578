import type { Collection, Document } from 'mongodb'
import assert from 'node:assert'
import { format as formatText, inspect, isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import { BSON, ObjectId } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { PLAIN_BSON } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { OPAQUE_SAMPLES } from './opaque-samples.js'

let database: TestDatabase
let collection: Collection
beforeAll(async () => {
  database = await openDatabase()
  collection = database.db.collection('documents')
})
afterAll(() => database.close())

/** The document as the server returns it, once for the frozen copy and once for comparison. */
async function roundTrip(document: Document): Promise<{ copy: Document; original: Document }> {
  const { insertedId } = await collection.insertOne(document)
  const read = async () => (await collection.findOne({ _id: insertedId }, PLAIN_BSON))!
  return { copy: toFrozenCopy(await read()), original: await read() }
}

describe.each(OPAQUE_SAMPLES)('a $kind in a frozen copy', ({ value, spoil }) => {
  it('is a fresh instance on each access, so that a handler cannot change it for others', async () => {
    const { copy, original } = await roundTrip({ value, list: [value], nested: { value } })
    const read: (() => object)[] = [
      () => copy['value'] as object,
      () => copy['list'][0] as object,
      () => copy['nested'].value as object,
    ]
    for (const access of read) {
      expect(access()).not.toBe(access())
      spoil(access() as never)
      expect(access()).toEqual(original['value'])
      expect(JSON.stringify(access())).toBe(JSON.stringify(original['value']))
    }
  })

  it('has the class of the team’s driver, with its methods', async () => {
    const { copy, original } = await roundTrip({ value })
    const [fresh, raw] = [copy['value'], original['value']]
    expect(Object.getPrototypeOf(fresh)).toBe(Object.getPrototypeOf(raw))
    expect(Object.prototype.toString.call(fresh)).toBe(Object.prototype.toString.call(raw))
    expect(String(fresh)).toBe(String(raw))
    expect(BSON.serialize({ value: fresh })).toEqual(BSON.serialize({ value: raw }))
  })

  it('can be used in a query', async () => {
    const { copy } = await roundTrip({ value })
    const found = await collection.findOne({ value: { $in: [copy['value']] } })
    expect(found).not.toBeNull()
  })
})

/** More dates than an object has properties in place. */
const NAMES = Array.from({ length: 12 }, (_, n) => `day${n}`)
const DAYS = Object.fromEntries(NAMES.map((name, n) => [name, new Date(n)])) as Record<string, Date>
const times = (days: Readonly<Record<string, Date>>) => NAMES.map(name => days[name]!.getTime())
const TIMES = times(DAYS)

describe('the opaque values of a frozen copy', () => {
  it('are fresh on each access, however many one object has', () => {
    const copy = toFrozenCopy(DAYS) as Record<string, Date>
    for (const name of NAMES) copy[name]!.setTime(1_000_000)
    expect(times(copy)).toEqual(TIMES)
  })

  it('are fresh on each access in a list', () => {
    const { days } = toFrozenCopy({ days: Object.values(DAYS) }) as { days: Date[] }
    for (const day of days) day.setTime(1_000_000)
    expect(days.map(day => day.getTime())).toEqual(TIMES)
  })

  it('may have any name, at any position', () => {
    const names = [...NAMES, '__proto__', 'constructor', '']
    const source = {}
    for (const [n, name] of names.entries())
      Object.defineProperty(source, name, { value: new Date(n), enumerable: true })
    const copy = toFrozenCopy(source)
    expect(
      names.map(name => (Object.getOwnPropertyDescriptor(copy, name)!.get!.call(copy) as Date).getTime()),
    ).toEqual(names.map((_name, n) => n))
  })

  it('may be an invalid date', () => {
    const { day } = toFrozenCopy({ day: new Date(NaN) }) as { day: Date }
    expect(day).toEqual(new Date(NaN))
  })

  it('are found through an object that inherits from the copy', () => {
    expect(times(Object.create(toFrozenCopy(DAYS)) as Record<string, Date>)).toEqual(TIMES)
  })

  it('are found through a copy of the property descriptors', () => {
    const copy = Object.create(
      Object.prototype,
      Object.getOwnPropertyDescriptors(toFrozenCopy(DAYS)),
    ) as object
    expect(times(copy as Record<string, Date>)).toEqual(TIMES)
  })

  it('are never exchanged in an object that has the descriptors of two copies', () => {
    const [one, other] = [
      toFrozenCopy({ since: new Date(1) }),
      toFrozenCopy({ until: new Date(2), since: 3 }),
    ]
    const merge = (...copies: object[]) =>
      Object.create(
        Object.prototype,
        Object.assign({}, ...copies.map(Object.getOwnPropertyDescriptors)) as PropertyDescriptorMap,
      ) as Record<string, unknown>
    expect(merge(one, other)).toEqual({ since: 3, until: new Date(2) })
    expect(() => merge(other, one)['until']).toThrow('only from the object that it was loaded into')
    expect(merge(other, one)['since']).toEqual(new Date(1))
    const [list, longer] = [toFrozenCopy([new Date(1)]), toFrozenCopy(['x', new Date(2)])]
    expect(() => merge(longer, list)[1]).toThrow('only from the object that it was loaded into')
  })

  it('may have names that are too long to be remembered', () => {
    const name = 'n'.repeat(1_000)
    const copy = toFrozenCopy({ [name]: new Date(1), nested: { [name]: new Date(2) } }) as Document
    expect([copy[name], copy['nested'][name]]).toEqual([new Date(1), new Date(2)])
  })

  it('stay right after more names than are remembered', () => {
    const copyOf = (n: number) => toFrozenCopy({ [`name ${n}`]: new Date(n), day: new Date(n) })
    const copies = Array.from({ length: 10_050 }, (_, n) => copyOf(n) as Record<string, Date>)
    for (const [n, copy] of copies.entries())
      expect([copy[`name ${n}`], copy['day']]).toEqual([new Date(n), new Date(n)])
  })

  it('are not found through an object that took the getter alone', () => {
    const copy = toFrozenCopy(DAYS)
    for (const name of NAMES) {
      const thief = Object.defineProperty({}, name, Object.getOwnPropertyDescriptor(copy, name)!)
      expect(() => Reflect.get(thief, name) as unknown).toThrow(
        'only from the object that it was loaded into',
      )
    }
  })

  it('cannot be changed by code that finds their holder by reflection', () => {
    for (const { value } of OPAQUE_SAMPLES) {
      const copy = toFrozenCopy({ value })
      for (const symbol of Object.getOwnPropertySymbols(copy)) {
        expect(Object.getOwnPropertyDescriptor(copy, symbol)).toMatchObject({
          enumerable: false,
          configurable: false,
          writable: false,
        })
      }
      const [holder] = Object.getOwnPropertySymbols(copy).map(symbol => Reflect.get(copy, symbol) as object)
      expect(Object.isFrozen(holder)).toBe(true)
      expect(Reflect.ownKeys(holder!)).toEqual([])
    }
  })
})

/** Clones as many libraries do, by own enumerable keys and by the tag of an object. */
function cloneByKeys(value: object): object {
  const clone = (member: unknown): unknown => {
    if (Array.isArray(member)) return member.map(clone)
    if (Object.prototype.toString.call(member) !== '[object Object]' || '_bsontype' in (member as object))
      return member
    return Object.fromEntries(
      Object.keys(member as object).map(key => [key, clone((member as Document)[key])]),
    )
  }
  return clone(value) as object
}

describe('ordinary tools see the opaque values of a frozen copy:', () => {
  const source = () => ({
    name: 'Alice',
    joinedAt: new Date(0),
    id: new ObjectId('64b7f3a1c2d4e5f601234567'),
    list: [new Date(1), 'x', { day: new Date(2) }],
    nested: { __proto__: null, day: new Date(3) },
  })
  type Source = ReturnType<typeof source>
  const copyOf = (document: Source) => toFrozenCopy(document) as Source

  it('console.log', () => {
    const shown = inspect(copyOf(source()), { depth: 4 })
    expect(shown).not.toContain('Getter')
    expect(shown).not.toContain('Symbol')
    const { nested, ...others } = source()
    expect(shown).toBe(inspect({ ...others, nested: { ...nested } }, { depth: 4 }))
  })

  it('console.log of a proxy', () => {
    expect(inspect(new Proxy(copyOf(source()), {}))).toBe(inspect(copyOf(source())))
  })

  it('spread and Object.assign(), whose results share nothing with the frozen copy', () => {
    const copy = copyOf(source())
    for (const spread of [{ ...copy }, Object.assign({}, copy)]) {
      expect(spread).toEqual(source())
      expect(Object.getOwnPropertySymbols(spread)).toEqual([])
      spread.joinedAt.setTime(7)
    }
    expect(copy.joinedAt).toEqual(new Date(0))
    expect([...copy.list]).toEqual(source().list)
  })

  it('JSON.stringify()', () => {
    expect(JSON.stringify(copyOf(source()))).toBe(JSON.stringify(source()))
  })

  it('structuredClone() of plain parts and dates', () => {
    const { id, ...others } = source()
    expect(structuredClone(toFrozenCopy(others))).toEqual(others)
    expect(id).toBeInstanceOf(ObjectId)
  })

  it('deep equality of vitest', () => {
    const { nested, ...others } = source()
    expect(copyOf(source())).toEqual(source())
    expect(toFrozenCopy(others)).toStrictEqual(others)
    expect(toFrozenCopy(others)).not.toEqual({ ...others, joinedAt: new Date(9) })
    expect(nested.day).toEqual(new Date(3))
  })

  it('deep equality of node:assert and node:util, in both directions', () => {
    const { nested, ...others } = source()
    const copy = toFrozenCopy(others)
    for (const one of [copy, new Proxy(copy, {})]) {
      assert.deepStrictEqual(one, others)
      assert.deepStrictEqual(others, one)
      assert.notDeepStrictEqual(one, { ...others, joinedAt: nested.day })
      expect(isDeepStrictEqual(one, others)).toBe(true)
    }
  })

  it.each<[way: string, clone: (value: object) => object]>([
    ['all own enumerable members', cloneByKeys],
    [
      'all property descriptors',
      value => Object.defineProperties({}, Object.getOwnPropertyDescriptors(value)),
    ],
  ])('a clone of %s', (_way, clone) => {
    const { nested, ...others } = source()
    const cloned = clone(toFrozenCopy(others))
    assert.deepStrictEqual(cloned, others)
    expect(inspect(cloned, { depth: 4 })).toBe(inspect(others, { depth: 4 }))
    expect(JSON.stringify(cloned)).toBe(JSON.stringify(others))
    expect({ ...cloned, nested }).toEqual(source())
  })

  it.each(['%o', '%O', '%j'])('util.format() with %j', format => {
    const { nested, ...others } = source()
    expect(formatText(format, toFrozenCopy(others))).toBe(formatText(format, others))
    expect(nested).toBeDefined()
  })

  it.each<[kind: string, handler: ProxyHandler<Source>]>([
    ['that changes nothing', {}],
    ['that passes itself on', { get: (target, key, proxy) => Reflect.get(target, key, proxy) as unknown }],
    ['that reads the copy', { get: (target, key) => Reflect.get(target, key) as unknown }],
  ])('a proxy %s', (_kind, handler) => {
    const proxy = new Proxy(copyOf(source()), handler)
    expect(proxy.joinedAt).toEqual(new Date(0))
    expect(proxy.id.toHexString()).toBe('64b7f3a1c2d4e5f601234567')
    expect({ ...proxy }).toEqual(source())
    expect(JSON.stringify(proxy)).toBe(JSON.stringify(source()))
    expect(new Proxy(proxy.list, handler as object)[0]).toEqual(new Date(1))
  })

  it('template engines that look names up in the scope of the data', () => {
    const template = 'with (data) { `${name}, ${joinedAt.getTime()}, ${list[0].getTime()}, ${id}` }'
    expect(runInNewContext(template, { data: copyOf(source()) })).toBe(
      'Alice, 0, 1, 64b7f3a1c2d4e5f601234567',
    )
  })
})
