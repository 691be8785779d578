import { hash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { createSnapshotCache } from '../../lib/snapshots/snapshot-cache.js'
import type {
  BoundSnapshot,
  Snapshot,
  SnapshotBinding,
  SnapshotCache,
} from '../../lib/snapshots/snapshot-cache.js'
import { UserGenerations } from '../../lib/snapshots/user-generations.js'
import type { UserGeneration } from '../../lib/snapshots/user-generations.js'
import { createClaimsFreezer } from '../../lib/authenticate/token-bindings.js'
import { createMetrics } from '../../lib/metrics.js'
import type { AccessTokenClaims } from '../../lib/types.js'
import { momentOf } from '../../lib/util/clock.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { medianOfThree, memoryInUse } from '../support/heap.js'

const TTL_MS = 30 * 60 * 1000
const BOUNDS = {
  snapshotTtlMs: TTL_MS,
  maxSnapshots: 10,
  maxSnapshotBytes: 1_000_000,
  followsChanges: false,
}

let clock: ManualClock
let generations: UserGenerations
let cache: SnapshotCache
beforeEach(() => {
  clock = createManualClock()
  useBounds({})
})

function useBounds(bounds: Partial<typeof BOUNDS>, metrics = createMetrics()): void {
  generations = new UserGenerations()
  cache = createSnapshotCache({ ...BOUNDS, ...bounds }, generations, clock, metrics)
}

/** Keeps a snapshot as a load does, which holds the generation until the snapshot is kept. */
function keep(
  cacheKey: string,
  { heapBytes = 100, ...binding }: Partial<SnapshotBinding> & { heapBytes?: number } = {},
): BoundSnapshot {
  const userId = binding.userId ?? `user of ${cacheKey}`
  const generation = generations.hold(userId)
  const entry = cache.set({ ...toBinding(cacheKey, userId), ...binding }, toSnapshot(generation, heapBytes))
  generations.release(generation)
  return entry
}

function toBinding(cacheKey: string, userId = 'alice'): SnapshotBinding {
  return { cacheKey, userId, claims: {}, claimsLength: 0, signedBy: undefined, expiresAt: undefined }
}

function toSnapshot(generation: UserGeneration, heapBytes = 100): Snapshot {
  const loadedAt = momentOf(clock)
  return {
    data: {},
    exists: true,
    documentId: 1,
    heapBytes,
    generation,
    loadedAt,
    loadNumber: 1,
    userIdValues: [],
  }
}

function holdersOf(entry: BoundSnapshot): number {
  return entry.generation.holders
}

describe('a cached snapshot', () => {
  it('is found only by its key', () => {
    const entry = keep('a')
    expect(cache.get('a')).toMatchObject(entry)
    expect(cache.get('b')).toBeUndefined()
  })

  it('is found until it is 30 minutes old', () => {
    keep('a')
    clock.advance(TTL_MS - 1)
    expect(cache.get('a')).toBeDefined()
    clock.advance(1)
    expect(cache.get('a')).toBeUndefined()
  })

  it('does not live longer because it is read', () => {
    keep('a')
    for (let minute = 0; minute < 29; minute++) {
      clock.advance(60_000)
      expect(cache.get('a')).toBeDefined()
    }
    clock.advance(60_000)
    expect(cache.get('a')).toBeUndefined()
  })

  it('has the age of its load, and not of the moment when it was stored', () => {
    const { generation } = keep('a')
    const snapshot = toSnapshot(generation)
    clock.advance(TTL_MS - 1_000)
    generations.retain(generation)
    cache.set(toBinding('b'), snapshot)
    clock.advance(999)
    expect(cache.get('b')).toBeDefined()
    clock.advance(1)
    expect(cache.get('b')).toBeUndefined()
  })

  it('ends with its token', () => {
    keep('a', { expiresAt: clock.now() + 60_000 })
    clock.advance(59_999)
    expect(cache.get('a')).toBeDefined()
    clock.advance(1)
    expect(cache.get('a')).toBeUndefined()
  })

  it('ends at once when the wall clock is set past the end of its token', () => {
    keep('a', { expiresAt: clock.now() + 60_000 })
    clock.setWall(clock.now() + 3_600_000)
    expect(cache.get('a')).toBeUndefined()
  })

  it('does not live longer because the wall clock is set back', () => {
    keep('a', { expiresAt: clock.now() + 60_000 })
    keep('b')
    clock.setWall(clock.now() - 3_600_000)
    expect(cache.get('a')).toBeDefined()
    clock.advance(60_001)
    expect(cache.get('a')).toBeUndefined()
    clock.advance(TTL_MS - 60_001)
    expect(cache.get('b')).toBeUndefined()
  })

  it('is 30 minutes old when the machine has slept for the rest of that time', () => {
    keep('a')
    clock.advance(10 * 60_000)
    clock.sleep(TTL_MS - 10 * 60_000 - 1)
    expect(cache.get('a')).toBeDefined()
    clock.sleep(1)
    expect(cache.get('a')).toBeUndefined()
  })

  it('is not kept if the machine has slept for 30 minutes during its load', () => {
    const { generation } = keep('a')
    const snapshot = toSnapshot(generation)
    clock.sleep(TTL_MS)
    const entry = cache.set(toBinding('b'), snapshot)
    expect(cache.get('b')).toBeUndefined()
    expect(entry.data).toBe(snapshot.data)
  })

  it('is kept after a small correction of the wall clock in either direction', () => {
    keep('a', { expiresAt: clock.now() + 3_600_000 })
    clock.setWall(clock.now() + 2_000)
    expect(cache.get('a')).toBeDefined()
    clock.setWall(clock.now() - 4_000)
    expect(cache.get('a')).toBeDefined()
  })

  it.each([0, -1, -Infinity, NaN])('is never kept if its end is not in the future: %s ms', remaining => {
    const entry = keep('a', { expiresAt: clock.now() + remaining })
    expect(cache.get('a')).toBeUndefined()
    expect(holdersOf(entry)).toBe(0)
  })

  it('lives for 30 minutes at most if its token never expires', () => {
    keep('a', { expiresAt: Infinity })
    expect(cache.get('a')).toBeDefined()
    clock.advance(TTL_MS)
    expect(cache.get('a')).toBeUndefined()
  })

  it.each([0, NaN, Infinity])('never lives for ever, even with a lifetime of %s', snapshotTtlMs => {
    useBounds({ snapshotTtlMs })
    keep('a')
    expect(cache.get('a')).toBeUndefined()
  })

  it('ends when its user is invalidated, and a later one of the user may be kept', () => {
    keep('a', { userId: 'alice' })
    keep('b', { userId: 'bob' })
    generations.invalidate('alice')
    expect(cache.get('a')).toBeUndefined()
    expect(cache.get('b')).toBeDefined()
    keep('a', { userId: 'alice' })
    expect(cache.get('a')).toBeDefined()
  })

  it('is not kept if its user was invalidated during the load', () => {
    const { generation } = keep('a')
    generations.invalidate(generation.userId)
    cache.set(toBinding('a'), toSnapshot(generation))
    expect(cache.get('a')).toBeUndefined()
  })

  it('ends when the key that signed its token is replaced', () => {
    const signedBy = { retired: false }
    keep('a', { signedBy })
    expect(cache.get('a')).toBeDefined()
    signedBy.retired = true
    expect(cache.get('a')).toBeUndefined()
    keep('a', { signedBy })
    expect(cache.get('a')).toBeUndefined()
  })
})

describe('the cache', () => {
  it('keeps at most maxSnapshots snapshots, and drops the least recently used', () => {
    useBounds({ maxSnapshots: 2 })
    const entries = ['a', 'b'].map(key => keep(key))
    cache.get('a')
    keep('c')
    expect(['a', 'b', 'c'].filter(key => cache.get(key))).toEqual(['a', 'c'])
    expect(entries.map(holdersOf)).toEqual([1, 0])
  })

  it('keeps at most maxSnapshotBytes of documents, claims and overhead', () => {
    useBounds({ maxSnapshots: 1_000, maxSnapshotBytes: 100_000 })
    const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`)
    for (const key of keys) keep(key, { heapBytes: 9_000 })
    const kept = keys.filter(key => cache.get(key))
    expect(kept.length).toBeGreaterThan(1)
    expect(kept.length * 9_000).toBeLessThan(100_000)
  })

  it('also bounds snapshots of empty documents by bytes', () => {
    useBounds({ maxSnapshots: 1_000, maxSnapshotBytes: 10_000 })
    const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`)
    for (const key of keys) keep(key, { heapBytes: 0 })
    expect(keys.filter(key => cache.get(key)).length).toBeLessThan(50)
  })

  it('does not keep a snapshot that is larger than the cache, and loses no other snapshot for it', () => {
    const small = keep('small')
    const large = keep('large', { heapBytes: BOUNDS.maxSnapshotBytes })
    expect(cache.get('large')).toBeUndefined()
    expect(cache.get('small')).toMatchObject(small)
    expect([holdersOf(small), holdersOf(large)]).toEqual([1, 0])
  })

  it('does not serve an older snapshot if a newer one is too large to be kept', () => {
    const old = keep('a', { userId: 'alice' })
    keep('a', { userId: 'alice', heapBytes: BOUNDS.maxSnapshotBytes })
    expect(cache.get('a')).toBeUndefined()
    expect(holdersOf(old)).toBe(0)
  })

  it('holds a generation once for each snapshot, and releases it when a snapshot is replaced', () => {
    const first = keep('a', { userId: 'alice' })
    keep('b', { userId: 'alice' })
    expect(holdersOf(first)).toBe(2)
    keep('a', { userId: 'alice' })
    keep('a', { userId: 'alice' })
    expect(holdersOf(first)).toBe(2)
  })

  it('releases an expired snapshot when it is looked for', () => {
    const entry = keep('a')
    clock.advance(TTL_MS + 1)
    cache.get('a')
    expect(holdersOf(entry)).toBe(0)
  })

  it('releases all snapshots when it is cleared', () => {
    const entries = ['a', 'b', 'c'].map(cacheKey => keep(cacheKey, { userId: 'alice' }))
    cache.clear()
    expect(cache.get('a')).toBeUndefined()
    expect(entries.map(holdersOf)).toEqual([0, 0, 0])
  })
})

describe('the share of one user', () => {
  const OTHERS = Array.from({ length: 50 }, (_, n) => `token of user ${n}`)
  const refresh = (times: number, change?: () => void) => {
    for (let n = 0; n < times; n++) {
      keep(`refresh ${n}`, { userId: 'eve' })
      change?.()
    }
  }
  const hitsOf = (keys: readonly string[]) => keys.filter(key => cache.get(key)).length
  const refreshes = Array.from({ length: 220 }, (_, n) => `refresh ${n}`)

  it('keeps room for others: 50 users still hit after one has refreshed 220 times', () => {
    const metrics = createMetrics()
    useBounds({ maxSnapshots: 100 }, metrics)
    for (const key of OTHERS) keep(key)
    refresh(220)
    expect(hitsOf(OTHERS)).toBe(50)
    expect(hitsOf(refreshes)).toBe(16)
    expect(hitsOf(refreshes.slice(-16))).toBe(16)
    expect(metrics.counted().evicted).toBe(204)
  })

  it('also keeps room for others in a full cache', () => {
    useBounds({ maxSnapshots: 66 })
    for (const key of OTHERS) keep(key)
    refresh(220)
    expect(hitsOf(OTHERS)).toBe(50)
  })

  it('is not forgotten when the user is invalidated after each refresh', () => {
    useBounds({ maxSnapshots: 100 })
    for (const key of OTHERS) keep(key)
    refresh(220, () => generations.invalidate('eve'))
    expect(hitsOf(OTHERS)).toBe(50)
    expect(cache.size().cached).toBe(66)
  })

  it('is also a tenth of the bytes', () => {
    useBounds({ maxSnapshots: 1_000, maxSnapshotBytes: 100_000 })
    for (const key of OTHERS) keep(key)
    for (let n = 0; n < 220; n++) keep(`refresh ${n}`, { userId: 'eve', heapBytes: 2_000 })
    expect(hitsOf(OTHERS)).toBe(50)
    expect(hitsOf(refreshes)).toBe(4)
  })

  it('is at least one snapshot, even a large one', () => {
    useBounds({ maxSnapshots: 1_000, maxSnapshotBytes: 100_000 })
    for (const key of ['a', 'b']) keep(key, { userId: 'eve', heapBytes: 50_000 })
    expect(hitsOf(['a', 'b'])).toBe(1)
    expect(cache.get('b')).toBeDefined()
  })

  it('is free again when snapshots have left the cache', () => {
    useBounds({ maxSnapshots: 100 })
    refresh(16)
    clock.advance(TTL_MS)
    expect(hitsOf(refreshes)).toBe(0)
    expect(generations.hold('eve')).toMatchObject({ cacheKeys: undefined, cachedBytes: 0, holders: 1 })
  })
})

describe('the memory of a snapshot', () => {
  const TOKENS = 5_000

  /** Caches tokens as requests do: by the digest of the token, with its parsed claims. */
  function keepTokens(tokensOfOne: number): SnapshotCache {
    useBounds({ maxSnapshots: TOKENS, maxSnapshotBytes: 100_000_000 })
    const freezeClaims = createClaimsFreezer()
    const data = Object.freeze({})
    const expiresAt = clock.now() + 60_000
    for (let token = 0; token < TOKENS; token++) {
      const claims = parseClaims(token)
      freezeClaims(claims)
      const userId = `user-${Math.floor(token / tokensOfOne)}`
      const cacheKey = hash('sha256', `token ${token}`, 'binary')
      const generation = generations.hold(userId)
      const binding = { cacheKey, userId, claims, claimsLength: 300, signedBy: undefined, expiresAt }
      cache.set(binding, { ...toSnapshot(generation), data })
      generations.release(generation)
    }
    return cache
  }

  function parseClaims(token: number): AccessTokenClaims {
    const claims = { iss: 'https://issuer.example.com', aud: 'https://api.example.com', sub: `user-${token}` }
    return JSON.parse(JSON.stringify({ ...claims, client_id: claims.aud })) as AccessTokenClaims
  }

  /** The bytes that stay in memory for one token. */
  function bytesOfOne(make: () => object): Promise<number> {
    const kept: object[] = []
    return medianOfThree(async () => {
      const before = await memoryInUse()
      kept.push(make())
      const bytes = (await memoryInUse()) - before
      return kept.length > 0 ? bytes / TOKENS : NaN
    })
  }

  it.each([
    { tokensOfOne: 1, atMost: 320 },
    { tokensOfOne: 10, atMost: 200 },
  ])('is at most $atMost bytes beyond its claims, with $tokensOfOne tokens of each user', async given => {
    // The first run compiles the code.
    keepTokens(given.tokensOfOne)
    const claims = await bytesOfOne(() => Array.from({ length: TOKENS }, (_, token) => parseClaims(token)))
    const snapshots = await bytesOfOne(() => keepTokens(given.tokensOfOne))
    expect(snapshots - claims).toBeLessThan(given.atMost)
    expect(snapshots - claims).toBeGreaterThan(0)
    expect(cache.size().cachedBytes / TOKENS).toBeGreaterThan(snapshots)
  })
})
