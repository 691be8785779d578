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
} from 'mongodb'
import type { Document } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { createDocumentCodec } from '../../lib/token-data/document-codec.js'
import type { ExtendedJsonFormat } from '../../lib/token-data/extended-json.js'
import { PLAIN_BSON } from '../../lib/mongo/team-database.js'
import { useDatabase } from '../support/database.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

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

const database = useDatabase()

/** A document as it comes from the server: with the types of its numbers, and as handlers get it. */
async function load(values: object): Promise<{ exact: Document; plain: Document }> {
  const collection = database.db.collection('documents')
  const { insertedId } = await collection.insertOne({ ...values }, { ignoreUndefined: false })
  const bytes: unknown = await collection.findOne({ _id: insertedId }, { ...PLAIN_BSON, raw: true })
  return codecOf('canonical').encoder.decodeExactly!(bytes as Uint8Array, {
    enableUtf8Validation: true,
    bsonRegExp: false,
  })
}

function codecOf(format: ExtendedJsonFormat) {
  return createDocumentCodec({ format, projection: undefined }, undefined, BSON)
}

/** A document as it is in a token, and the document that is read from the token. */
async function roundTrip(
  { exact, plain }: { exact: Document; plain: Document },
  format: ExtendedJsonFormat,
): Promise<{ json: unknown; back: unknown }> {
  const codec = codecOf(format)
  const encoded = codec.encoder.encode(plain, exact)
  if (!encoded) return { json: undefined, back: undefined }
  const json: unknown = JSON.parse(JSON.stringify(encoded.json))
  return { json, back: await codec.decode(json) }
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
    'in %s is decoded to the value that a load gives',
    async format => {
      const loaded = await load({ value: VALUES[name] })
      const { back } = await roundTrip(loaded, format)
      expect(back).toStrictEqual(loaded.plain)
      expect(classesOf(back)).toEqual(classesOf(loaded.plain))
    },
  )

  it('is written in canonical form as the driver writes it', async () => {
    const loaded = await load({ value: VALUES[name] })
    const { json } = await roundTrip(loaded, 'canonical')
    expect(json).toEqual(BSON.EJSON.serialize(loaded.exact, { relaxed: false }))
  })

  it('is decoded to the value that the driver gives', async () => {
    const { plain } = await load({ value: VALUES[name] })
    const given = await database.db.collection('documents').findOne({ _id: plain['_id'] }, PLAIN_BSON)
    expect(plain).toStrictEqual(given)
    expect(classesOf(plain)).toEqual(classesOf(given))
  })
})

describe('a document in Extended JSON', () => {
  it('states the type of a number in canonical form, and not in relaxed form', async () => {
    const loaded = await load({ int: new Int32(5), long: new Long(5), double: new Double(5) })
    expect((await roundTrip(loaded, 'relaxed')).json).toMatchObject({ int: 5, long: 5, double: 5 })
    expect((await roundTrip(loaded, 'canonical')).json).toMatchObject({
      int: { $numberInt: '5' },
      long: { $numberLong: '5' },
      double: { $numberDouble: '5.0' },
    })
  })

  it('has all options of a regular expression, and numbers that JSON cannot express, in relaxed form too', async () => {
    const loaded = await load({
      pattern: new BSONRegExp('a', 'ilmsux'),
      unsafe: Long.fromString('9007199254740993'),
      zero: new Double(-0),
      huge: new Double(1e17),
      list: [Long.MAX_VALUE],
    })
    expect((await roundTrip(loaded, 'relaxed')).json).toMatchObject({
      pattern: { $regularExpression: { pattern: 'a', options: 'ilmsux' } },
      unsafe: { $numberLong: '9007199254740993' },
      zero: { $numberDouble: '-0.0' },
      huge: { $numberDouble: '100000000000000000.0' },
      list: [{ $numberLong: '9223372036854775807' }],
    })
  })

  it('keeps the names of fields', async () => {
    const nested = JSON.parse('{"__proto__":{"a":1},"constructor":1,"toJSON":"x","a.b":1}') as object
    const { back } = await roundTrip({ plain: { nested }, exact: { nested } }, 'canonical')
    expect(JSON.stringify(back)).toBe(JSON.stringify({ nested }))
    expect(Object.getPrototypeOf((back as Document)['nested'])).toBe(Object.prototype)
  })

  it.each([
    ['undefined, which old drivers have stored', { a: undefined }],
    ['a field that begins with $', { a: { $oid: '65a000000000000000000001' } }],
    ['a field that begins with $ in an array', { a: [{ $numberInt: '1' }] }],
    ['a map', { a: new Map([[1, 2]]) }],
    ['a bigint', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a date that is not valid', { a: new Date(NaN) }],
    ['flags of a regular expression that BSON lacks', { a: /a/u }],
    ['itself', toCircular()],
  ])('is left out if it contains %s', (_what, document) => {
    expect(codecOf('canonical').encoder.encode(document)).toBeUndefined()
    expect(codecOf('relaxed').encoder.encode(document)).toBeUndefined()
  })

  it.each([
    ['text that is not a number', { a: { $numberDecimal: 'x' } }],
    ['an invalid id', { a: { $oid: 'x' } }],
    ['a list', [1]],
    ['a text', 'x'],
  ])('cannot be decoded from %s', async (_what, json) => {
    expect(await codecOf('canonical').decode(json)).toBeUndefined()
  })
})

function toCircular(): object {
  const document: Record<string, unknown> = {}
  document['a'] = document
  return document
}
