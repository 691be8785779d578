import {
  Binary,
  BSON,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBsonClasses } from '../../lib/custom-data/bson-classes.js'
import { NoExtendedJsonError, toExtendedJson } from '../../lib/custom-data/extended-json.js'
import { fromExtendedJson } from '../../lib/custom-data/from-extended-json.js'
import { promoteValues } from '../../lib/custom-data/promote-values.js'
import { EXACT_BSON, PLAIN_BSON } from '../../lib/mongo/team-database.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'

/** One value of each BSON type, and of each case within one. */
const VALUES: Record<string, unknown> = {
  double: new Double(1.5),
  wholeDouble: new Double(5),
  hugeDouble: new Double(1e300),
  unsafeWholeDouble: new Double(1e17),
  negativeZero: new Double(-0),
  notANumber: new Double(NaN),
  infinity: new Double(Infinity),
  minusInfinity: new Double(-Infinity),
  string: 'Grüße 👋\u2028\u0000',
  object: { a: { b: [new Int32(1), { c: null }] }, empty: {} },
  array: [new Int32(1), 'two', [new Double(3)], []],
  binary: new Binary(Buffer.from([0, 1, 254, 255])),
  binaryOfOurOwn: new Binary(Buffer.from('ours'), 0x80),
  emptyBinary: new Binary(Buffer.alloc(0)),
  uuid: new UUID('0189f5b2-7d3c-7c55-9b1e-3f2f3f2f3f2f'),
  objectId: new ObjectId('65a000000000000000000001'),
  true: true,
  false: false,
  date: new Date('2027-01-15T08:00:00.123Z'),
  wholeSecond: new Date('2027-01-15T08:00:00Z'),
  dateBefore1970: new Date(-1),
  dateAfter9999: new Date(253_402_300_800_000),
  null: null,
  regExp: new BSONRegExp('^a/b$', 'ims'),
  plainRegExp: new BSONRegExp('a'),
  code: new Code('return 1'),
  codeWithScope: new Code('return x', { x: new Int32(1), y: new Long(5) }),
  reference: new DBRef('users', new ObjectId('65a000000000000000000002'), 'other', { since: new Int32(7) }),
  symbol: new BSONSymbol('sym'),
  int: new Int32(-7),
  timestamp: new Timestamp({ t: 4_000_000_000, i: 3_000_000_000 }),
  long: Long.fromString('5000000000'),
  smallLong: new Long(5),
  largestPromoted: Long.fromString('9007199254740992'),
  unsafeLong: Long.fromString('9007199254740993'),
  largestLong: Long.MAX_VALUE,
  smallestLong: Long.MIN_VALUE,
  decimal: Decimal128.fromString('9.99999999999999999E-10'),
  decimalNaN: Decimal128.fromString('NaN'),
  minKey: new MinKey(),
  maxKey: new MaxKey(),
}

let database: TestDatabase
beforeAll(async () => {
  database = await openDatabase()
})
afterAll(() => database.close())

/** A document as it comes from the server: with the types of its numbers, and as handlers get it. */
async function load(values: object): Promise<{ exact: Document; plain: Document }> {
  const collection = database.db.collection('documents')
  const { insertedId } = await collection.insertOne({ ...values }, { ignoreUndefined: false })
  const [exact, plain] = await Promise.all(
    [EXACT_BSON, PLAIN_BSON].map(options => collection.findOne({ _id: insertedId }, options)),
  )
  return { exact: exact!, plain: plain! }
}

function roundTrip(document: object, format: 'canonical' | 'relaxed'): unknown {
  const classes = createBsonClasses()
  const json = JSON.stringify(toExtendedJson(document, format, classes.learn))
  return fromExtendedJson(JSON.parse(json), classes)
}

/** Each BSON value's class, wherever it is. */
function classesOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(classesOf)
  if (typeof value !== 'object' || value === null) return typeof value
  const members = Object.entries(value).map(([key, member]) => [key, classesOf(member)])
  return [value.constructor, members]
}

describe.each(Object.keys(VALUES))('a value of BSON: %s', name => {
  it.each(['canonical', 'relaxed'] as const)(
    'is in %s what the driver gives, after a round trip',
    async format => {
      const { exact, plain } = await load({ value: VALUES[name] })
      for (const document of [exact, plain]) {
        const back = roundTrip(document, format) as Document
        expect(back).toStrictEqual(plain)
        expect(classesOf(back)).toEqual(classesOf(plain))
      }
    },
  )

  it('is written in canonical as the driver writes it', async () => {
    const { exact } = await load({ value: VALUES[name] })
    expect(toExtendedJson(exact, 'canonical')).toEqual(BSON.EJSON.serialize(exact, { relaxed: false }))
  })

  it('is given to handlers as without the types of numbers', async () => {
    const { exact, plain } = await load({ value: VALUES[name] })
    const promoted = promoteValues(exact)
    expect(promoted).toStrictEqual(plain)
    expect(classesOf(promoted)).toEqual(classesOf(plain))
  })
})

describe('relaxed Extended JSON', () => {
  it('does not say which of int, long and double a number is', async () => {
    const { exact } = await load({ int: new Int32(5), long: new Long(5), double: new Double(5) })
    expect(toExtendedJson(exact, 'relaxed')).toMatchObject({ int: 5, long: 5, double: 5 })
    expect(toExtendedJson(exact, 'canonical')).toMatchObject({
      int: { $numberInt: '5' },
      long: { $numberLong: '5' },
      double: { $numberDouble: '5.0' },
    })
  })

  it('writes what reads well as the driver does', async () => {
    const { int, double, string, date, wholeSecond, objectId, notANumber } = VALUES
    const { exact } = await load({
      int,
      double,
      string,
      date,
      wholeSecond,
      objectId,
      notANumber,
    })
    expect(toExtendedJson(exact, 'relaxed')).toEqual(BSON.EJSON.serialize(exact, { relaxed: true }))
  })

  it('keeps the type of integers that numbers cannot hold, where the driver would round them', async () => {
    const { exact } = await load({ value: VALUES['unsafeLong'] })
    expect(toExtendedJson(exact, 'relaxed')).toMatchObject({ value: { $numberLong: '9007199254740993' } })
  })
})

describe('Extended JSON', () => {
  it('keeps what fields are called, whatever they are called', async () => {
    const values = JSON.parse(
      '{"__proto__":{"a":1},"constructor":1,"toJSON":"x","a.b":1,"_bsontype":"ObjectId"}',
    )
    const document = { nested: values as object }
    const back = roundTrip(document, 'canonical') as Document
    expect(JSON.stringify(back)).toBe(JSON.stringify(document))
    expect(Object.getPrototypeOf(back['nested'])).toBe(Object.prototype)
  })

  it('knows undefined, which old drivers have stored', () => {
    expect(roundTrip({ a: undefined }, 'relaxed')).toStrictEqual({ a: undefined })
  })

  it.each([
    ['a field that begins with $', { a: { $oid: '65a000000000000000000001' } }],
    ['a field that begins with $ in an array', { a: [{ $set: 1 }] }],
    ['a map', { a: new Map() }],
    ['a bigint', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a date that is none', { a: new Date(NaN) }],
    ['flags that BSON has not', { a: /a/u }],
  ])('is not made of %s', (_what, document) => {
    expect(() => toExtendedJson(document, 'canonical')).toThrow(NoExtendedJsonError)
  })

  it.each([
    ['a type that there is not', { a: { $where: '1' } }],
    ['a member of Object.prototype as a type', { a: { $constructor: 1 } }],
    ['digits that are none', { a: { $numberLong: 'x' } }],
    ['a class that is not known yet', { a: { $oid: '65a000000000000000000001' } }],
  ])('is refused with %s', (_what, json) => {
    expect(() => fromExtendedJson(json, createBsonClasses())).toThrow()
  })
})
