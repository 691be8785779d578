import { expect, it } from 'vitest'
import { exceededLimit } from '../../lib/util/nesting.js'

/** Objects and lists in each other, with `depth` levels. */
function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value, b: 'x' }
  return value
}

const ANY = 1_000_000

it('counts the levels of objects and lists', () => {
  for (const depth of [0, 1, 2, 31, 32]) {
    expect(exceededLimit(nested(depth), { depth: 32, members: ANY })).toBeUndefined()
  }
  for (const depth of [33, 34, 1_000]) {
    expect(exceededLimit(nested(depth), { depth: 32, members: ANY })).toBe('depth')
  }
})

it('counts the members of all levels together', () => {
  const limits = { depth: 32, members: 6 }
  for (const value of [1, {}, [1, 2, 3, 4, 5, 6], { a: [1, 2], b: { c: 1, d: 1 } }]) {
    expect(exceededLimit(value, limits)).toBeUndefined()
  }
  for (const value of [[1, 2, 3, 4, 5, 6, 7], { a: [1, 2], b: { c: 1, d: 1, e: 1 } }]) {
    expect(exceededLimit(value, limits)).toBe('members')
  }
})

it('ends for any depth, and for a value that contains itself', () => {
  expect(exceededLimit(nested(200_000), { depth: 32, members: ANY })).toBe('depth')
  expect(exceededLimit(nested(200_000), { depth: 300_000, members: ANY })).toBeUndefined()
  const circular: unknown[] = []
  circular.push(circular, circular)
  expect(exceededLimit(circular, { depth: 32, members: ANY })).toBe('depth')
})

it.each([Buffer.alloc(10), new Uint16Array(10), new DataView(new ArrayBuffer(10)), new ArrayBuffer(10)])(
  'binary data is told before its bytes are counted',
  data => {
    expect(exceededLimit({ a: [data] }, { depth: 5, members: 5 })).toBe('binary')
  },
)
