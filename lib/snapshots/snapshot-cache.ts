import { LRUCache } from 'lru-cache'
import type { Clock, Moment } from '../util/clock.js'
import { createMetrics } from '../metrics.js'
import type { Metrics } from '../metrics.js'
import type { LoadedDocument } from '../documents/loader.js'
import { isObject } from '../util/plain-object.js'
import type { CacheShare, UserGeneration, UserGenerations } from './user-generations.js'

/** The token that a snapshot belongs to. */
export interface SnapshotBinding {
  /** The digest of the token, never the token, together with the guard that accepted it. */
  readonly cacheKey: string
  readonly userId: string
  /** Verified and frozen claims; `undefined` if another middleware authenticated the request. */
  readonly claims: unknown
  /** Characters of the token or of the JSON of its claims, as an estimate of the bytes that the claims take in memory. */
  readonly claimsLength: number
  /** The key that signed the token. Its snapshots end when the key is replaced. */
  readonly signedBy: { readonly retired: boolean } | undefined
  /** When the token expires, in wall-clock milliseconds; `undefined` if that is not known. */
  readonly expiresAt: number | undefined
  /**
   * Whether the token is still accepted for this user; absent if another middleware decides that. Its issuer may be removed, or
   * an issuer with the prefix of this user's id may be added, while the document is loaded. Then the snapshot is not kept.
   */
  readonly isAccepted?: (() => boolean) | undefined
  /** Starts a check that runs at the same time as the load, if there is one. If it rejects, the load is not served. */
  readonly check?: (() => Promise<void> | undefined) | undefined
}

/** A user's document as loaded for one token. */
export interface Snapshot extends LoadedDocument {
  readonly generation: UserGeneration
  /** When its load began. */
  readonly loadedAt: Moment
  /** Which load of the instance it was, counted from 1. */
  readonly loadNumber: number
  /** The values of the user id field that the load searched for. */
  readonly userIdValues: readonly unknown[]
}

/**
 * A snapshot with its binding, as the cache keeps it. There is one for each token, so it is flat and has only what a request
 * needs. Its times are integers, which V8 keeps in place up to 31 bits, that is for 24 days. Therefore wall-clock times are
 * counted from the creation of the cache, and `Math.floor()` comes last: V8 keeps the result of a subtraction as an object.
 */
export interface BoundSnapshot {
  readonly data: object
  readonly exists: boolean
  readonly generation: UserGeneration
  /** {@link SnapshotBinding.claims}. */
  readonly claims: unknown
  readonly signedBy: SnapshotBinding['signedBy']
  readonly loadNumber: number
  /** When its load began, in monotonic milliseconds. */
  readonly loadedAt: number
  /** When its load began, in wall-clock milliseconds. */
  readonly wallLoadedAt: number
  /**
   * When it is too old or its token expires, in monotonic milliseconds. The TTL of lru-cache is not used: it ends a
   * millisecond late, reads the time once more on each hit, and never ends for 0, NaN and Infinity.
   */
  readonly endsAt: number
  /** When it is too old or its token expires, in wall-clock milliseconds. It ends at whichever end is reached first. */
  readonly wallEndsAt: number
  /** Its estimated memory in the cache. */
  readonly bytes: number
}

/** Bounds of the cache. */
export interface SnapshotCacheConfig {
  /** Age in milliseconds at which a snapshot is stale. */
  readonly snapshotTtlMs: number
  readonly maxSnapshots: number
  /** Estimated bytes of all entries. */
  readonly maxSnapshotBytes: number
  /** Whether changes are followed. Then more memory is needed for each user. */
  readonly followsChanges: boolean
}

/** The snapshots of all tokens, by cache key. */
export interface SnapshotCache {
  /** The snapshot, unless it is stale, its token has expired, it was invalidated, or its key was replaced. */
  get(cacheKey: string): BoundSnapshot | undefined
  /**
   * Milliseconds since the load of these data began, by the clock that shows the longer time. `undefined` if the cache has
   * other data for this key. It counts nothing, and changes nothing in the cache.
   */
  ageMsOf(cacheKey: string, data: unknown): number | undefined
  /** Binds a snapshot to a token, without keeping it. */
  bind(binding: SnapshotBinding, snapshot: Snapshot): BoundSnapshot
  /**
   * Keeps a snapshot until it is stale or its token expires, whichever is first. A snapshot that was invalidated meanwhile
   * is not kept. The caller holds the snapshot's generation during the call.
   */
  set(binding: SnapshotBinding, snapshot: Snapshot): BoundSnapshot
  /** The moment so many milliseconds ago, in the times of {@link BoundSnapshot}. */
  momentBefore(ms: number): Moment
  clear(): void
  /** Drops the snapshots of all users whose ids begin with a prefix. */
  dropUsers(prefix: string): void
  /** The number of snapshots and their estimated bytes. */
  size: () => { readonly cached: number; readonly cachedBytes: number }
}

/** Bytes of an entry without its claims and its document: the key, the entry, the slots of the list, the user's generation. */
const ENTRY_BYTES = 300
/** Bytes of a user's keys in the change index. */
const DEPENDENCY_BYTES = 500

/**
 * One user may have a tenth of the cache, so that the tokens of one user do not displace those of all others. In a small
 * cache a user may still have this many snapshots.
 */
const MIN_USER_SNAPSHOTS = 16

/** Creates an empty cache. */
export function createSnapshotCache(
  config: SnapshotCacheConfig,
  generations: UserGenerations,
  clock: Clock,
  metrics: Metrics = createMetrics(),
): SnapshotCache {
  const entryBytes = ENTRY_BYTES + (config.followsChanges ? DEPENDENCY_BYTES : 0)
  const createdAt = Math.floor(clock.now())
  const userShare: CacheShare = {
    snapshots: Math.max(MIN_USER_SNAPSHOTS, Math.floor(config.maxSnapshots / 10)),
    bytes: Math.floor(config.maxSnapshotBytes / 10),
  }
  const entries = new LRUCache<string, BoundSnapshot>({
    max: config.maxSnapshots,
    maxSize: config.maxSnapshotBytes,
    dispose: ({ generation, bytes }, cacheKey, reason) => {
      if (reason === 'evict') metrics.evicted(generation.userId)
      generations.removeCached(generation.userId, cacheKey, bytes)
      generations.release(generation)
    },
  })

  /** Call it before a new snapshot is stored: otherwise a full cache would drop another user's snapshot for it. */
  function makeRoomFor(userId: string, bytes: number): void {
    for (;;) {
      const oldest = generations.oldestBeyond(userId, userShare, bytes)
      if (oldest === undefined || !entries.delete(oldest)) return
      metrics.evicted(userId)
    }
  }

  /**
   * Checked on every hit by both clocks: the monotonic clock stands still while the machine sleeps, and the wall clock can be
   * set at any time. A wall clock that is set forward makes snapshots older, so that they are loaded again. One that is set
   * back changes nothing.
   */
  function isServable({ generation, signedBy, endsAt, wallEndsAt }: BoundSnapshot): boolean {
    return (
      generation.current &&
      signedBy?.retired !== true &&
      clock.monotonic() < endsAt &&
      clock.now() - createdAt < wallEndsAt
    )
  }

  function bind(binding: SnapshotBinding, snapshot: Snapshot): BoundSnapshot {
    const { claims, signedBy, expiresAt } = binding
    const { data, exists, generation, loadNumber, loadedAt } = snapshot
    const { snapshotTtlMs } = config
    const tokenEndsInMs = expiresAt === undefined ? Infinity : expiresAt - clock.now()
    return {
      data,
      exists,
      generation,
      claims,
      signedBy,
      loadNumber,
      loadedAt: Math.floor(loadedAt.monotonic),
      wallLoadedAt: Math.floor(loadedAt.wall - createdAt),
      endsAt: Math.floor(Math.min(loadedAt.monotonic + snapshotTtlMs, clock.monotonic() + tokenEndsInMs)),
      wallEndsAt: Math.floor(Math.min(loadedAt.wall + snapshotTtlMs, expiresAt ?? Infinity) - createdAt),
      bytes: entryBytes + binding.claimsLength + snapshot.heapBytes,
    }
  }

  return {
    get(cacheKey) {
      const entry = entries.get(cacheKey)
      if (entry === undefined || isServable(entry)) return entry
      metrics.stale(entry.generation.userId)
      entries.delete(cacheKey)
      return undefined
    },
    ageMsOf(cacheKey, data) {
      const entry = entries.peek(cacheKey)
      // Users without a document have different empty objects behind `attach()`.
      if (!entry || (entry.data !== data && (entry.exists || !isEmpty(data)))) return undefined
      const { loadedAt, wallLoadedAt } = entry
      const ageMs = Math.max(clock.monotonic() - loadedAt, clock.now() - createdAt - wallLoadedAt)
      return Math.max(0, Math.floor(ageMs))
    },
    bind,
    set(binding, snapshot) {
      const entry = bind(binding, snapshot)
      if (!Number.isFinite(entry.endsAt) || !isServable(entry)) return entry
      const { cacheKey } = binding
      const { bytes, generation } = entry
      const { userId } = generation
      entries.delete(cacheKey)
      makeRoomFor(userId, bytes)
      entries.set(cacheKey, entry, { size: bytes })
      // The list neither takes nor disposes of an entry that is larger than the whole cache.
      if (entries.peek(cacheKey) !== entry) return entry
      generations.retain(generation)
      generations.addCached(userId, cacheKey, bytes)
      return entry
    },
    momentBefore: ms => ({ wall: clock.now() - createdAt - ms, monotonic: clock.monotonic() - ms }),
    clear() {
      entries.clear()
    },
    dropUsers(prefix) {
      const keys = Array.from(entries.entries(), ([cacheKey, { generation }]) =>
        generation.userId.startsWith(prefix) ? cacheKey : undefined,
      )
      for (const cacheKey of keys) if (cacheKey !== undefined) entries.delete(cacheKey)
    },
    size: () => ({ cached: entries.size, cachedBytes: entries.calculatedSize }),
  }
}

function isEmpty(data: unknown): boolean {
  return isObject(data) && Object.keys(data).length === 0
}
