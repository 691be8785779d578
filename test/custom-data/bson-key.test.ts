import { BSON, Binary, Decimal128, Double, Int32, Long, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { toBsonKey } from '../../lib/custom-data/bson-key.js'

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
    ['what is not there', [undefined, null]],
    [
      'documents',
      [
        { a: 1, b: { c: 'd' } },
        { a: new Int32(1), b: { c: 'd' } },
      ],
    ],
  ])('is one for %s that are equal', (_name, values) => {
    expect(new Set(values.map(toBsonKey)).size).toBe(1)
  })

  it('is another for values that differ, by their type or by what they hold', () => {
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

  it('is of the bytes in use, not of the buffer that holds them', () => {
    const roomy = new Binary()
    roomy.put(7)
    expect(toBsonKey(roomy)).toBe(toBsonKey(Buffer.from([7])))
  })
})
