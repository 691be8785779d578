import { describe, expect, it, vi } from 'vitest'
import { UserGenerations } from '../../lib/snapshots/user-generations.js'
import { heapGrowth } from '../support/heap.js'

/** Counts the calls of each method of any `Map` during an action. */
function countMapOperations(run: () => void): Record<string, number> {
  const counts: Record<string, number> = {}
  const methods = ['get', 'set', 'has', 'delete', 'forEach', 'keys', 'values', 'entries'] as const
  const spies = methods.map(method => {
    const spy = vi.spyOn(Map.prototype, method)
    return { method, spy }
  })
  const iterations = vi.spyOn(Map.prototype, Symbol.iterator)
  try {
    run()
    for (const { method, spy } of spies) if (spy.mock.calls.length > 0) counts[method] = spy.mock.calls.length
    if (iterations.mock.calls.length > 0) counts['iterations'] = iterations.mock.calls.length
  } finally {
    for (const { spy } of spies) spy.mockRestore()
    iterations.mockRestore()
  }
  return counts
}

describe('the generations of users', () => {
  it('are one for each user while it is retained', () => {
    const generations = new UserGenerations()
    const alice = generations.hold('alice')
    expect(generations.hold('alice')).toBe(alice)
    expect(generations.hold('bob')).not.toBe(alice)
    expect(alice).toMatchObject({ userId: 'alice', current: true, holders: 2 })
  })

  it('are forgotten when they are released for the last time', () => {
    const generations = new UserGenerations()
    const first = generations.hold('alice')
    generations.retain(first)
    generations.release(first)
    expect(generations.hold('alice')).toBe(first)
    generations.release(first)
    generations.release(first)
    expect(first.holders).toBe(0)
    expect(generations.hold('alice')).not.toBe(first)
  })

  it('end with an invalidation, and a new generation begins', () => {
    const generations = new UserGenerations()
    const before = generations.hold('alice')
    const bob = generations.hold('bob')
    generations.invalidate('alice')
    const after = generations.hold('alice')
    expect([before.current, after.current, bob.current]).toEqual([false, true, true])
  })

  it('end all at once', () => {
    const ended: string[] = []
    const generations = new UserGenerations(({ userId }) => ended.push(userId))
    const held = ['alice', 'bob'].map(userId => generations.hold(userId))
    generations.invalidateAll()
    expect(held.map(({ current }) => current)).toEqual([false, false])
    expect(generations.hold('alice').current).toBe(true)
    expect(ended).toEqual(['alice', 'bob'])
  })

  it('are not forgotten by a late release of an older generation', () => {
    const generations = new UserGenerations()
    const before = generations.hold('alice')
    generations.invalidate('alice')
    const after = generations.hold('alice')
    generations.release(before)
    expect(generations.hold('alice')).toBe(after)
    generations.invalidate('alice')
    expect(after.current).toBe(false)
  })

  it('end by the same number of operations for any number of snapshots', () => {
    const operations = [1, 100_000].map(holders => {
      const generations = new UserGenerations()
      const held = generations.hold('alice')
      for (let n = 1; n < holders; n++) generations.retain(held)
      for (let n = 0; n < holders; n++) generations.hold(`other-${n}`)
      return countMapOperations(() => generations.invalidate('alice'))
    })
    expect(operations).toEqual([
      { get: 2, delete: 1 },
      { get: 2, delete: 1 },
    ])
  })

  it('treat user ids such as __proto__ as plain text', () => {
    const generations = new UserGenerations()
    const hostile = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    for (const userId of hostile) generations.invalidate(userId)
    expect(hostile.map(userId => generations.hold(userId).userId)).toEqual(hostile)
  })

  it('take no memory for users without snapshots', async () => {
    const generations = new UserGenerations()
    const growth = await heapGrowth(() => {
      for (let n = 0; n < 100_000; n++) generations.invalidate(`unknown-${n}`)
      for (let n = 0; n < 100_000; n++) generations.release(generations.hold(`gone-${n}`))
      for (let n = 0; n < 100_000; n++) {
        const generation = generations.hold(`ended-${n}`)
        generations.invalidate(generation.userId)
        generations.release(generation)
      }
    })
    expect(growth).toBeLessThan(1024 * 1024)
    // This use keeps it in memory until here.
    expect(generations.hold('alice').holders).toBe(1)
  })
})
