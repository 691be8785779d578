import { BSON, Decimal128, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { maxBsonBytes } from '../../lib/token-data/bson-size.js'

const { EJSON } = BSON
const serialize = (document: object, relaxed: boolean): unknown => EJSON.serialize(document, { relaxed })

describe('the estimated BSON size of Extended JSON', () => {
  it.each<[string, object]>([
    ['nothing', {}],
    ['texts', { name: 'Ünï 🙂', empty: '', long: 'x'.repeat(1_000) }],
    ['numbers', { int: 1, double: 0.5, long: Long.fromNumber(2 ** 40), decimal: Decimal128.fromString('1') }],
    ['lists', { list: [1, 'a', [true, null], { a: 1 }], none: [] }],
    ['BSON values', { _id: new ObjectId(), at: new Date(5), bytes: new BSON.Binary(Buffer.alloc(100)) }],
    ['many names', Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`name ${n}`, n % 2 === 0]))],
  ])('is never less than the real size: %s', (_name, document) => {
    const bytes = BSON.calculateObjectSize(document)
    for (const relaxed of [true, false]) {
      expect(maxBsonBytes(serialize(document, relaxed))).toBeGreaterThanOrEqual(bytes)
    }
  })

  it('is exact for texts and documents', () => {
    const document = { name: 'Ünï 🙂', nested: { list: ['a', 'b'], no: null, yes: true } }
    expect(maxBsonBytes(document)).toBe(BSON.calculateObjectSize(document))
  })
})
