import { describe, expect, it } from 'vitest'
import { median, quantile, scale, spreadOf } from './statistics.js'

describe('median', () => {
  it('is the middle value, in any order of the sample', () => expect(median([9, 1, 5])).toBe(5))
  it('of an even number is the mean of the two in the middle', () => expect(median([4, 1, 3, 2])).toBe(2.5))
  it('of nothing is an error, not NaN', () => expect(() => median([])).toThrow(RangeError))
  it('compares numbers as numbers', () => expect(median([10, 9, 100])).toBe(10))
})

it('a quantile is interpolated', () => {
  const values = Array.from({ length: 101 }, (_, index) => index * 10)
  expect([quantile(values, 0), quantile(values, 0.99), quantile(values, 1)]).toEqual([0, 990, 1000])
  expect(quantile([0, 10], 0.25)).toBe(2.5)
})

it('a spread has the ends of the sample, and leaves the sample as it was', () => {
  const values = [3, 1, 2]
  expect(spreadOf(values)).toEqual({ median: 2, min: 1, max: 3 })
  expect(values).toEqual([3, 1, 2])
})

it('a spread can be scaled', () => {
  expect(scale({ median: 2, min: 1, max: 3 }, 0.5)).toEqual({ median: 1, min: 0.5, max: 1.5 })
})
