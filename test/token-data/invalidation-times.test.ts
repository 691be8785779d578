import { describe, expect, it } from 'vitest'
import { createInvalidationTimes } from '../../lib/token-data/invalidation-times.js'
import type { InvalidationTimes } from '../../lib/token-data/invalidation-times.js'
import { createManualClock } from '../support/clock.js'
import { heapGrowth } from '../support/heap.js'

describe('the times of invalidations', () => {
  it('make earlier data of this user unusable, and of no other user', () => {
    const clock = createManualClock()
    const times = createInvalidationTimes(clock)
    times.add('alice')
    clock.advance(1_000)
    expect([1_001, 1_000, 999].map(ageMs => times.isInvalidated('alice', ageMs))).toEqual([true, true, false])
    expect(times.isInvalidated('bob', 1_001)).toBe(false)
  })

  it('are the last time for each user', () => {
    const clock = createManualClock()
    const times = createInvalidationTimes(clock)
    times.add('alice')
    clock.advance(1_000)
    times.add('alice')
    expect(times.isInvalidated('alice', 500)).toBe(true)
  })

  it('make earlier data of all users unusable if all users are invalidated', () => {
    const clock = createManualClock()
    const times = createInvalidationTimes(clock)
    times.addAll()
    clock.advance(1_000)
    expect([1_000, 999].map(ageMs => times.isInvalidated('anybody', ageMs))).toEqual([true, false])
  })

  it('are measured by the monotonic clock', () => {
    const clock = createManualClock()
    const times = createInvalidationTimes(clock)
    times.add('alice')
    clock.setWall(clock.now() - 3_600_000)
    expect(times.isInvalidated('alice', 0)).toBe(true)
  })

  it('are forgotten for all users together if there are too many, and then older data of all users is unusable', () => {
    const clock = createManualClock()
    const times = createInvalidationTimes(clock)
    for (let n = 0; n < 50_000; n++) times.add(`first-${n}`)
    clock.advance(1_000)
    for (let n = 0; n < 50_000; n++) times.add(`second-${n}`)
    clock.advance(1_000)
    expect(['first-0', 'second-0', 'bob'].map(user => times.isInvalidated(user, 2_001))).toEqual([
      true,
      true,
      false,
    ])
    times.add('one too many')
    expect(['first-0', 'bob'].map(user => times.isInvalidated(user, 2_000))).toEqual([true, true])
    expect(['first-0', 'bob'].map(user => times.isInvalidated(user, 1_999))).toEqual([false, false])
    expect(times.isInvalidated('second-0', 1_000)).toBe(true)
  })

  it('take at most 16 MiB after a million invalidations', async () => {
    const clock = createManualClock()
    // Both runs' books are held on to, so that one does not pay for the other.
    const books: InvalidationTimes[] = []
    const growth = await heapGrowth(() => {
      const times = createInvalidationTimes(clock)
      for (let n = 0; n < 1_000_000; n++) times.add(`65a00000000000000${1_000_000 + n}`)
      books.push(times)
    })
    expect(growth).toBeGreaterThan(1024 * 1024)
    expect(growth).toBeLessThan(16 * 1024 * 1024)
    expect(books.map(times => times.isInvalidated('65a000000000000001999999', 0))).toEqual([true, true])
  })
})
