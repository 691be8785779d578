import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import { createObserver } from '../observer.js'
import type { Observer } from '../observer.js'
import { estimateHeapBytes } from './heap-size.js'
import type { LoadedDocument } from './loader.js'
import type { UserGeneration, UserGenerations } from './user-generations.js'

/** What a cached copy is bound to. */
export interface SnapshotBinding {
  /** Never the token: its digest, together with who vouched for it. */
  readonly cacheKey: string
  readonly userId: string
  /** Verified claims, frozen; `undefined` where another strategy authenticated. */
  readonly claims: unknown
  /** The key that signed the token: its copies die with it. */
  readonly signedBy: { readonly retired: boolean } | undefined
  /** When the token is no longer accepted, in wall-clock milliseconds; `undefined` where nobody knows. */
  readonly expiresAt: number | undefined
}

/** A user's document as loaded for one token. */
export interface Snapshot extends LoadedDocument {
  readonly generation: UserGeneration
  /** When its load began, in monotonic milliseconds. */
  readonly loadedAt: number
  /** Which load of the instance it was, counted from 1. */
  readonly loadNumber: number
}

/** A snapshot with what it is bound to. */
export interface BoundSnapshot {
  readonly binding: SnapshotBinding
  readonly snapshot: Snapshot
}

/**
 * One that is kept, and until when, in monotonic milliseconds. Not left to lru-cache's TTL: that ends a tick late, reads the
 * time once more on each hit, and takes 0, NaN and Infinity for "for ever".
 */
interface KeptSnapshot extends BoundSnapshot {
  readonly endsAt: number
}

/** Bounds of the cache. */
export interface SnapshotCacheConfig {
  /** Age in milliseconds at which a copy is read anew. */
  readonly snapshotTtlMs: number
  readonly maxSnapshots: number
  /** Estimated bytes of all entries. */
  readonly maxSnapshotBytes: number
}

/** Copies by token. */
export interface SnapshotCache {
  /** The copy, if it may still be served: within its TTL and its token's times, not invalidated, key in use. */
  get(cacheKey: string): BoundSnapshot | undefined
  /**
   * Keeps a copy until it is too old or its token ends, whichever is first; not one that is void already.
   * The caller holds the snapshot's generation meanwhile.
   */
  set(entry: BoundSnapshot): void
  clear(): void
  /** Copies, and what they are estimated to weigh in bytes. */
  size: () => { readonly cached: number; readonly cachedBytes: number }
}

/** What an entry weighs beside its claims and its document: its key, itself, the list's own slots, the user's generation. */
const ENTRY_BYTES = 600

/** Creates an empty cache. */
export function createSnapshotCache(
  config: SnapshotCacheConfig,
  generations: UserGenerations,
  clock: Clock,
  observer: Observer = createObserver(),
): SnapshotCache {
  const entries = new LRUCache<string, KeptSnapshot>({
    max: config.maxSnapshots,
    maxSize: config.maxSnapshotBytes,
    sizeCalculation: ({ binding, snapshot }) =>
      ENTRY_BYTES + estimateHeapBytes(binding.claims) + snapshot.heapBytes,
    dispose: ({ binding, snapshot }, _cacheKey, reason) => {
      if (reason === 'evict') observer.evicted(binding.userId)
      generations.release(snapshot.generation)
    },
  })

  /** Looked at on every hit: the end of a token is the wall clock's to say, and that may be put right at any time. */
  function isServable({ binding, snapshot, endsAt }: KeptSnapshot): boolean {
    return (
      snapshot.generation.current &&
      binding.signedBy?.retired !== true &&
      clock.monotonic() < endsAt &&
      (binding.expiresAt === undefined || clock.now() < binding.expiresAt)
    )
  }

  return {
    get(cacheKey) {
      const entry = entries.get(cacheKey)
      if (entry === undefined || isServable(entry)) return entry
      observer.stale(entry.binding.userId)
      entries.delete(cacheKey)
      return undefined
    },
    set({ binding, snapshot }) {
      const lifeMs = remainingMs({ binding, snapshot }, config.snapshotTtlMs, clock)
      if (!Number.isFinite(lifeMs)) return
      const entry = { binding, snapshot: toKept(snapshot), endsAt: clock.monotonic() + lifeMs }
      if (!isServable(entry)) return
      entries.set(binding.cacheKey, entry)
      // An entry larger than the whole cache is not taken, and not disposed of either.
      if (entries.peek(binding.cacheKey) === entry) generations.retain(snapshot.generation)
    },
    clear() {
      entries.clear()
    },
    size: () => ({ cached: entries.size, cachedBytes: entries.calculatedSize }),
  }
}

/** What a hit needs: what a token is made with is no part of the cache. */
function toKept({
  data,
  exists,
  documentId,
  heapBytes,
  generation,
  loadedAt,
  loadNumber,
}: Snapshot): Snapshot {
  return { data, exists, documentId, heapBytes, generation, loadedAt, loadNumber }
}

/** Age by the monotonic clock, the token's end by the wall clock. */
function remainingMs({ binding, snapshot }: BoundSnapshot, snapshotTtlMs: number, clock: Clock): number {
  const untilOld = snapshotTtlMs - (clock.monotonic() - snapshot.loadedAt)
  return binding.expiresAt === undefined ? untilOld : Math.min(untilOld, binding.expiresAt - clock.now())
}
