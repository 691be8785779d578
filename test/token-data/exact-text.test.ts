import { Binary, BSON, DBRef, Decimal128, Double, Int32, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { toExactText } from '../../lib/token-data/exact-text.js'

// Driver 5 does not export it by itself.
const { UUID } = BSON

const HEX = '0123456789abcdef01234567'
const VALUES = [
  ...[10, '10', 10n, '10n', new Int32(10), new Double(10), Long.fromNumber(10), Decimal128.fromString('10')],
  ...[0, -0, NaN, 'NaN', null, 'null', true, 'true', new Date(10), new Date(11)],
  ...[HEX, new ObjectId(HEX), Buffer.from(HEX, 'hex'), new Binary(Buffer.from(HEX, 'hex'))],
  ...[new UUID('123e4567-e89b-42d3-a456-426614174000'), /a/, /a/i, /b/, '/a/'],
  ...[
    [],
    {},
    [10],
    ['10'],
    [[10]],
    [10, 10],
    { a: 10 },
    { a: '10' },
    { b: 10 },
    { a: 10, b: 1 },
    { b: 1, a: 10 },
  ],
  ...[['a', 'b'], ['a","b'], ['a,b'], { a: ['b'] }, ['document', '["a"]']],
]

describe('the exact text of a value', () => {
  it('differs for each value and each type', () => {
    const texts = VALUES.map(toExactText)
    expect(texts).not.toContain(undefined)
    expect(new Set(texts).size).toBe(VALUES.length)
  })

  it('is the same for the same value', () => {
    expect(toExactText({ a: [new ObjectId(HEX), 1] })).toBe(toExactText({ a: [new ObjectId(HEX), 1] }))
  })

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['an instance of a class', new URL('https://example.com')],
    ['a BSON class that cannot be an id', new DBRef('users', new ObjectId(HEX))],
    ['a value with a toBSON method', { toBSON: () => 1 }],
    ['an object with a member without an exact text', { a: [undefined] }],
    ['a value that is nested too deeply', [[[[[[[[[1]]]]]]]]]],
  ])('does not exist for %s', (_name, value) => {
    expect(toExactText(value)).toBeUndefined()
  })
})
