import { expect, it } from 'vitest'
import { isNestedDeeper } from '../../lib/util/nesting.js'

/** Objects and lists in each other, with `depth` levels. */
function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value, b: 'x' }
  return value
}

it('counts the levels of objects and lists', () => {
  for (const depth of [0, 1, 2, 31, 32]) expect(isNestedDeeper(nested(depth), 32)).toBe(false)
  for (const depth of [33, 34, 1_000]) expect(isNestedDeeper(nested(depth), 32)).toBe(true)
})

it('ends for any depth, and for a value that contains itself', () => {
  expect(isNestedDeeper(nested(200_000), 32)).toBe(true)
  expect(isNestedDeeper(nested(200_000), 300_000)).toBe(false)
  const circular: unknown[] = []
  circular.push(circular, circular)
  expect(isNestedDeeper(circular, 32)).toBe(true)
})
