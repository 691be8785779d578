import { BSON, Decimal128, Long, ObjectId, UUID } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { estimateHeapBytes } from '../../lib/documents/heap-size.js'
import { heapGrowth } from '../support/heap.js'

const list = <T>(length: number, make: (n: number) => T): T[] => Array.from({ length }, (_item, n) => make(n))

const DOCUMENTS: Record<string, () => object> = {
  'a profile': () => ({
    _id: new ObjectId(),
    userId: 'alice',
    joinedAt: new Date(0),
    plan: { name: 'gold', seats: 12, renewsAt: new Date(0) },
    roles: ['editor', 'reviewer', 'billing'],
    bio: 'x'.repeat(200),
  }),
  'a long text': () => ({ text: 'x'.repeat(4_000) }),
  'a long text of another script': () => ({ text: 'ж'.repeat(2_000) }),
  'whole numbers': () => ({ scores: list(200, n => n) }),
  fractions: () => ({ scores: list(200, n => n + 0.5) }),
  'a list of ids': () => ({ friends: list(50, () => new ObjectId()) }),
  'a list of dates': () => ({ days: list(50, n => new Date(n)) }),
  'nested objects': () => ({
    items: list(20, n => ({ sku: `sku-${n}`, count: n, price: { amount: n + 0.99 } })),
  }),
  'many fields': () => Object.fromEntries(list(60, n => [`field${n}`, `value${n}`])),
  'many dates': () => Object.fromEntries(list(9, n => [`day${n}`, new Date(n)])),
  'values of BSON': () => ({
    price: Decimal128.fromString('1.5'),
    big: Long.fromNumber(2 ** 60),
    id: new UUID(),
  }),
}

describe('the estimate of what a document takes in the heap', () => {
  it.each(Object.keys(DOCUMENTS))('is within a quarter of what it takes: %s', async name => {
    const bytes = BSON.serialize(DOCUMENTS[name]!())
    const read = () => BSON.deserialize(bytes, { promoteBuffers: false })
    // So many that what else comes and goes in the heap meanwhile does not matter.
    const copies = Math.ceil(5_000_000 / bytes.length)
    const kept: object[] = []
    const growth = await heapGrowth(() => {
      for (let n = 0; n < copies; n++) kept.push(toFrozenCopy(read()))
    })
    expect(kept).toHaveLength(2 * copies)
    const ratio = (estimateHeapBytes(read()) * copies) / growth
    expect(ratio).toBeGreaterThan(0.75)
    expect(ratio).toBeLessThan(1.25)
  })
})
