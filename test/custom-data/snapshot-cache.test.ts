import { describe, expect, it } from 'vitest'
import { createSnapshotCache } from '../../lib/custom-data/snapshot-cache.js'
import type { BoundSnapshot } from '../../lib/custom-data/snapshot-cache.js'
import { createUserGenerations } from '../../lib/custom-data/user-generations.js'
import { createManualClock } from '../support/clock.js'

const TTL_MS = 1_000

function createCache({ maxSnapshots = 100, maxSnapshotBytes = 1_000_000 } = {}) {
  const clock = createManualClock()
  const generations = createUserGenerations()
  const cache = createSnapshotCache(
    { snapshotTtlMs: TTL_MS, maxSnapshots, maxSnapshotBytes },
    generations,
    clock,
  )
  function put(
    key: string,
    changes: { userId?: string; expiresAt?: number; size?: number; retired?: boolean } = {},
  ) {
    const { userId = 'alice', expiresAt, size = 10, retired = false } = changes
    const generation = generations.hold(userId)
    const signedBy = { retired }
    const document = { data: {}, exists: true, documentId: 1, size }
    const entry: BoundSnapshot = {
      binding: { cacheKey: key, userId, claims: {}, signedBy, expiresAt },
      snapshot: { ...document, generation, loadedAt: clock.monotonic() },
    }
    cache.set(entry)
    generations.release(generation)
    return { entry, generation, signedBy }
  }
  return { cache, clock, generations, put }
}

describe('a cached copy', () => {
  it('is found by its key alone', () => {
    const { cache, put } = createCache()
    const { entry } = put('a')
    expect(cache.get('a')).toBe(entry)
    expect(cache.get('b')).toBeUndefined()
  })

  it('is gone when it is too old, counted from the beginning of its load', () => {
    const { cache, clock, put } = createCache()
    put('a')
    clock.advance(TTL_MS)
    expect(cache.get('a')).toBeDefined()
    clock.advance(1)
    expect(cache.get('a')).toBeUndefined()
  })

  it.each([0, -1, NaN])('is not kept at all where its token has %j ms to live', remaining => {
    const { cache, clock, put } = createCache()
    put('a', { expiresAt: clock.now() + remaining })
    expect(cache.get('a')).toBeUndefined()
  })

  it('is never kept for ever, whatever the token says', () => {
    const { cache, clock, put } = createCache()
    put('a', { expiresAt: Infinity })
    clock.advance(TTL_MS + 1)
    expect(cache.get('a')).toBeUndefined()
  })

  it('dies with the key that signed its token', () => {
    const { cache, put } = createCache()
    const { signedBy } = put('a')
    signedBy.retired = true
    expect(cache.get('a')).toBeUndefined()
    put('b', { retired: true })
    expect(cache.get('b')).toBeUndefined()
  })

  it('is void after an invalidation of its user, and is not kept where that came before it', () => {
    const { cache, generations, put } = createCache()
    const { entry } = put('a')
    generations.invalidate('alice')
    expect(cache.get('a')).toBeUndefined()
    cache.set(entry)
    expect(cache.get('a')).toBeUndefined()
    put('a')
    expect(cache.get('a')).toBeDefined()
  })
})

describe('the cache', () => {
  it('holds no more copies than it may, and lets the longest unused go', () => {
    const { cache, put } = createCache({ maxSnapshots: 2 })
    put('a')
    put('b')
    cache.get('a')
    put('c')
    expect(['a', 'b', 'c'].filter(key => cache.get(key))).toEqual(['a', 'c'])
  })

  it('holds no more bytes than it may, and takes nothing that is larger than all of it', () => {
    const { cache, put } = createCache({ maxSnapshotBytes: 10_000 })
    const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`)
    for (const key of keys) put(key, { size: 500 })
    expect(keys.filter(key => cache.get(key)).length).toBeLessThan(5)
    const { generation } = put('huge', { userId: 'huge', size: 100_000 })
    expect(cache.get('huge')).toBeUndefined()
    expect(generation.holders).toBe(0)
  })

  it('holds on to nothing of a user of whom it has no copy any more', () => {
    const { cache, clock, put } = createCache({ maxSnapshots: 2 })
    const generations = [put('a', { userId: 'a' }), put('b', { userId: 'b' }), put('c', { userId: 'c' })]
    expect(generations.map(({ generation }) => generation.holders)).toEqual([0, 1, 1])
    put('b', { userId: 'b' })
    clock.advance(TTL_MS + 1)
    cache.get('b')
    cache.clear()
    expect(generations.map(({ generation }) => generation.holders)).toEqual([0, 0, 0])
  })
})

describe('an invalidation', () => {
  it('of users of whom nothing is held costs nothing', () => {
    const { generations } = createCache()
    for (let user = 0; user < 1_000; user++) generations.invalidate(`user ${user}`)
    const later = generations.hold('user 1')
    expect(later).toMatchObject({ current: true, holders: 1 })
  })

  it('ends what is loading, and what begins after it is of a new generation', () => {
    const { generations } = createCache()
    const before = generations.hold('alice')
    generations.invalidate('alice')
    const after = generations.hold('alice')
    expect([before.current, after.current]).toEqual([false, true])
    generations.release(before)
    expect(generations.hold('alice')).toBe(after)
  })
})
