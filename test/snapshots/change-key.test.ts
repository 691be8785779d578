import { BSON, Binary, DBRef, Decimal128, Double, Int32, Long, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { toBsonKey, toChangeKeys } from '../../lib/snapshots/change-key.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

const HEX = '0123456789abcdef01234567'
const UUID_TEXT = '123e4567-e89b-42d3-a456-426614174000'

describe('the key of a BSON value', () => {
  it.each<[string, unknown[]]>([
    [
      'numbers of any type',
      [1, 1n, new Int32(1), new Double(1), Long.fromNumber(1), Decimal128.fromString('1.00')],
    ],
    ['zeros', [0, -0, new Double(-0)]],
    ['ObjectIds', [new ObjectId(HEX), ObjectId.createFromHexString(HEX)]],
    [
      'UUIDs and their bytes',
      [new UUID(UUID_TEXT), new UUID(UUID_TEXT).toBinary(), new UUID(UUID_TEXT).buffer],
    ],
    ['dates', [new Date(5), new Date(5)]],
    ['null and undefined', [undefined, null]],
    [
      'documents',
      [
        { a: 1, b: { c: 'd' } },
        { a: new Int32(1), b: { c: 'd' } },
        new Map<string, unknown>([
          ['a', 1n],
          ['b', new Map([['c', 'd']])],
        ]),
      ],
    ],
    ['references', [new DBRef('users', new ObjectId(HEX)), { $ref: 'users', $id: new ObjectId(HEX) }]],
    ['regular expressions', [/a/, new RegExp('a')]],
    ['long texts', ['x'.repeat(5_000), 'x'.repeat(5_000)]],
  ])('is the same for equal values: %s', (_name, values) => {
    expect(new Set(values.map(toBsonKey)).size).toBe(1)
  })

  it('is different for values of different type or content', () => {
    const values = [
      ...['1', 1, 2, true, false, null, '', 'null', 'true', HEX, new ObjectId(HEX), new ObjectId()],
      ...[
        new Date(1),
        new Date(2),
        [1],
        ['1'],
        [1, 2],
        {},
        { a: 1 },
        { a: '1' },
        { b: 1 },
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      ...[new Binary(Buffer.from('a')), new Binary(Buffer.from('b')), Buffer.from('c')],
      ...[new Timestamp({ t: 1, i: 1 }), /a/],
    ]
    expect(new Set(values.map(toBsonKey)).size).toBe(values.length)
  })

  it('depends on the bytes of the value, not on the larger buffer that contains them', () => {
    const roomy = new Binary()
    roomy.put(7)
    expect(toBsonKey(roomy)).toBe(toBsonKey(Buffer.from([7])))
  })
})

/** Nests a value in alternating lists and documents. */
function nest(value: unknown, depth: number): unknown {
  let nested = value
  for (let level = 0; level < depth; level++) nested = level % 2 ? [nested] : { '\\"': nested }
  return nested
}

describe('the key of a hostile value', () => {
  it.each<[string, () => unknown]>([
    ['nested 90 deep', () => nest('x', 90)],
    ['nested 4,000 deep', () => nest('x', 4_000)],
    ['a wide tree', () => Array.from({ length: 1_000 }, () => Array.from({ length: 100 }, () => [[1]]))],
    ['a text of a megabyte', () => '\\"'.repeat(500_000)],
    ['a document with a long name', () => ({ ['n'.repeat(1_000_000)]: 1 })],
    ['many names', () => Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`name ${n}`, n]))],
    ['a large binary', () => Buffer.alloc(1_000_000)],
  ])('has a bounded length, and equal values have equal keys: %s', (_name, make) => {
    const key = toBsonKey(make())
    expect(key.length).toBeLessThanOrEqual(256)
    expect(toBsonKey(make())).toBe(key)
  })

  it('examines only the first of many members', () => {
    let looks = 0
    const member = {
      get value() {
        return looks++
      },
    }
    const wide = Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => member))
    toBsonKey(Array.from({ length: 300 }, () => wide))
    expect(looks).toBeLessThan(1_000)
  })

  it('treats a field named _bsontype as data', () => {
    const stored: unknown[] = [
      { _bsontype: 'zzz', buffer: 'abc' },
      { _bsontype: 'ObjectId', buffer: 'abc' },
      { _bsontype: 'Long', toString: 'x' },
      { _bsontype: 'Binary', buffer: { subarray: 1 } },
      { _bsontype: 1 },
    ]
    const keys = stored.map(toBsonKey)
    expect(new Set(keys).size).toBe(stored.length)
    expect(keys.every(key => key.startsWith('object:'))).toBe(true)
  })

  it('treats a name from Object.prototype as data', () => {
    const stored = JSON.parse('{"__proto__":{"toBSON":1},"constructor":1,"hasOwnProperty":1}') as unknown
    expect(toBsonKey(stored)).toMatch(/^object:3/)
  })
})

class Custom {
  readonly id = 'alice'
}

describe('a value of an unknown type', () => {
  it.each<[string, unknown]>([
    ['an instance of a class', new Custom()],
    ['a value that says how it is stored', { toBSON: () => 'alice' }],
    ['a member that may or may not be stored', { a: undefined }],
    ['an instance in a list', [new Custom()]],
    ['a function', () => 1],
  ])('has the key "other": %s', (_name, value) => {
    expect(toBsonKey(value)).toBe('other')
  })

  it('in an event invalidates all users', () => {
    expect(toChangeKeys(1, { a: undefined })).toBeUndefined()
    expect(toChangeKeys({ a: undefined }, 'alice')).toBeUndefined()
  })

  it('in the field values of a user is invalidated by every event', () => {
    expect(toChangeKeys(1, 'alice')).toEqual([
      'document number:1',
      'user string:alice',
      'document other',
      'user other',
    ])
  })
})
