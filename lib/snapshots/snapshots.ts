import type { ClaimDocument } from '../token-data/claim-snapshots.js'
import type { Clock } from '../util/clock.js'
import { createMetrics } from '../metrics.js'
import type { Metrics } from '../metrics.js'
import type { ExactDecoder } from '../documents/find-document.js'
import type { Loader } from '../documents/loader.js'
import type { Freshness } from './freshness.js'
import type { BoundSnapshot, Snapshot, SnapshotBinding } from './snapshot-cache.js'
import { SnapshotLoads } from './snapshot-loads.js'
import type { SnapshotsConfig } from './snapshot-loads.js'

/** The snapshots of users' documents, one for each access token. */
export type Snapshots = ReturnType<typeof createSnapshots>

/** Creates the snapshots of one instance. */
export function createSnapshots(
  config: SnapshotsConfig,
  loader: Loader,
  clock: Clock,
  metrics: Metrics = createMetrics(),
) {
  const loads = new SnapshotLoads(config, loader, clock, metrics)
  return {
    /** The cached snapshot, or `undefined`: then it must be loaded. Each request asks, so this is synchronous and cheap. */
    find: (cacheKey: string): BoundSnapshot | undefined => loads.cache.get(cacheKey),
    /** Milliseconds since the load of these data began; `undefined` if the cache has other data for this key. */
    ageMsOf: (cacheKey: string, data: unknown): number | undefined => loads.cache.ageMsOf(cacheKey, data),
    /** The freshness that a request of this moment asks for by `maxAgeMs`. With 0 the load must begin after this call. */
    freshness: (maxAgeMs: number): Freshness => loads.freshness(maxAgeMs),
    /**
     * Loads a snapshot for a token and keeps it. All requests with the token share one load. A request that asks for fresher
     * data than a running load can give waits until that load ends, and then shares the next.
     */
    loadFor: (binding: SnapshotBinding, wanted?: Freshness): Promise<BoundSnapshot> =>
      loads.loadFor(binding, wanted),
    /** The binding of a running load, if its token has not expired. The request that began the load verified the token. */
    loading: (cacheKey: string): SnapshotBinding | undefined => loads.loading(cacheKey),
    /** Keeps the document that a token holds; `undefined` if `read` finds none that may be served. */
    keepFromClaim: (
      binding: SnapshotBinding,
      read: () => Promise<ClaimDocument | undefined>,
    ): Promise<BoundSnapshot | undefined> => loads.keepFromClaim(binding, read),
    /**
     * Loads a snapshot for a token that is about to be issued. `use` issues it, and may `keep` the snapshot for it. With
     * `decodeExactly` the snapshot also has the BSON types of numbers.
     */
    loadForNewToken: <T>(
      userId: string,
      use: (snapshot: Snapshot) => Promise<T>,
      decodeExactly?: ExactDecoder,
    ): Promise<T> => loads.loadForNewToken(userId, use, decodeExactly),
    /** Keeps a snapshot of `loadForNewToken()` for the issued token. */
    keep: (binding: SnapshotBinding, snapshot: Snapshot): void => void loads.keep(binding, snapshot),
    /** Invalidates all snapshots of a user, and all loads of the user that have begun. */
    invalidate: (userId: string): void => {
      metrics.invalidated(userId)
      loads.generations.invalidate(userId)
    },
    /** Invalidates the snapshots and loads that a changed document, or the user id that it now holds, may concern. */
    changed: (documentId: unknown, userIdValue: unknown): void => {
      loads.changed(documentId, userIdValue)
    },
    /** Invalidates all snapshots and all running loads. */
    invalidateAll: (): void => {
      loads.invalidateAll()
    },
    /** Drops the snapshots of all users whose ids begin with a prefix, so that their tokens are verified again. */
    dropUsers: (prefix: string): void => {
      loads.cache.dropUsers(prefix)
    },
    /** The number of cached snapshots and their estimated bytes. */
    size: () => loads.cache.size(),
    /** Empties the cache. Later calls are refused with a 503. */
    close: (): void => {
      loads.close()
    },
  }
}
