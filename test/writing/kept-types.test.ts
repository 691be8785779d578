import { Binary, Decimal128, Double, Int32, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { isSameInJson, keepTypes } from '../../lib/writing/kept-types.js'

const JSON_RULES = { isSame: isSameInJson, mayChangeTypes: false }
const FREE_RULES = { isSame: isSameInJson, mayChangeTypes: true }

/** What is stored for a value of a client; values without numbers have one form. */
const keep = (stored: unknown, given: unknown, rules = JSON_RULES) =>
  keepTypes({ plain: stored, exact: stored }, given, { name: 'f' }, rules)

const [one, two, three, four] = [1, 2, 3, 4].map(ms => new Date(ms)) as [Date, Date, Date, Date]
const text = (date: Date) => date.toISOString()

describe('a value whose JSON is the same', () => {
  it.each<[string, unknown, unknown]>([
    ['a date', one, text(one)],
    ['an ObjectId', new ObjectId('64b7f3a1c2d4e5f601234567'), '64b7f3a1c2d4e5f601234567'],
    ['binary data', new Binary(Buffer.from('abc')), 'YWJj'],
    ['a decimal', Decimal128.fromString('1.10'), { $numberDecimal: '1.10' }],
    ['NaN', Number.NaN, null],
    ['minus zero', -0, 0],
    ['an object', { a: one, b: [two] }, { b: [text(two)], a: text(one) }],
    ['a list', [one, { a: two }], [text(one), { a: text(two) }]],
  ])('is the stored value itself: %s', (_what, stored, given) => {
    expect(keep(stored, given)).toBe(stored)
  })

  it('is compared in the form that clients get', () => {
    const stored = { plain: 5, exact: Long.fromNumber(5) }
    expect(keepTypes(stored, 5, { name: 'f' }, JSON_RULES)).toBe(stored.exact)
    const numbers = { plain: { a: 1, b: 2 }, exact: { a: new Double(1), b: new Int32(2) } }
    expect(keepTypes(numbers, { a: 1, b: 3 }, { name: 'f' }, JSON_RULES)).toEqual({
      a: numbers.exact.a,
      b: 3,
    })
  })
})

describe('the elements of a list keep their types', () => {
  it.each<[string, Date[], Date[]]>([
    ['removed at the start', [one, two, three], [two, three]],
    ['removed in the middle', [one, two, three], [one, three]],
    ['removed at the end', [one, two, three], [one, two]],
    ['all of them removed', [one, two], []],
    ['repeated', [one, one], [one, one, one]],
    ['removed at two places', [one, two, three, two, four], [one, three, four]],
    ['put into another order', [one, two, three], [three, one, two]],
  ])('where others are %s', (_what, stored, given) => {
    expect(keep(stored, given.map(text))).toEqual(given)
  })

  it('and a new element is compared with them', () => {
    expect(() => keep([one], [text(one), text(two)])).toThrow('"f.1" holds a date')
    expect(() => keep([one], [text(two), text(one)])).toThrow('"f.0" holds a date')
    expect(keep([], [text(one)])).toEqual([text(one)])
    expect(keep(['a', 'b'], ['c', 'a', 'b', 1])).toEqual(['c', 'a', 'b', 1])
    expect(keep([one], [text(one), two])).toEqual([one, two])
    expect(keep([Long.fromNumber(1)], [2n, 3n])).toEqual([2n, 3n])
  })
})

describe('another value', () => {
  it('may replace a value that JSON can express', () => {
    for (const stored of ['a', 1, true, null, {}, [], { a: one }]) {
      for (const given of ['b', 2, false, null, { b: 1 }, [1]]) expect(keep(stored, given)).toEqual(given)
    }
  })

  it('may replace a value of a type that JSON does not have only if it has the same type', () => {
    expect(keep(one, two)).toBe(two)
    expect(keep({ a: one }, { a: two })).toEqual({ a: two })
    expect(keep(Long.fromNumber(1), 2n)).toBe(2n)
    expect(keep(new Binary(Buffer.from('a')), Buffer.from('b'))).toEqual(Buffer.from('b'))
    for (const given of ['b', 2, null, {}, [], new ObjectId()]) {
      expect(() => keep({ a: one }, { a: given })).toThrow(
        expect.objectContaining({ code: 'type_would_change' }),
      )
      expect(keep({ a: one }, { a: given }, FREE_RULES)).toEqual({ a: given })
    }
  })

  it('must have plain names of fields, unless it is the JSON of the stored value', () => {
    const invalid = expect.objectContaining({
      code: 'invalid_request',
      message: '"f.$numberDecimal" is no name of a field.',
    })
    expect(() => keep('a', { $numberDecimal: '1' })).toThrow(invalid)
    expect(() => keepTypes(undefined, { $numberDecimal: '1' }, { name: 'f' }, JSON_RULES)).toThrow(invalid)
  })

  it('of an invalid date or of a class is refused where types are free', () => {
    for (const given of [new Date(Number.NaN), new Map(), /a/]) {
      expect(() => keep('a', given, FREE_RULES)).toThrow('"f" has a value that users must not store.')
    }
  })
})
