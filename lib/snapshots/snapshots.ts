import type { Clock } from '../util/clock.js'
import { CustomUserDataError } from '../errors.js'
import { createObserver } from '../metrics.js'
import type { Observer } from '../metrics.js'
import { toChangeKeys, toDocumentKey, toUserKey } from './change-key.js'
import { createDependents, NO_DEPENDENTS } from './change-index.js'
import type { LoadMark } from './change-index.js'
import { isFresh } from './freshness.js'
import type { Freshness } from './freshness.js'
import type { Load, LoadedDocument, Loader } from '../documents/loader.js'
import { createSnapshotCache } from './snapshot-cache.js'
import type {
  BoundSnapshot,
  Snapshot,
  SnapshotBinding,
  SnapshotCache,
  SnapshotCacheConfig,
} from './snapshot-cache.js'
import type { BroughtDocument } from '../token-data/claim-snapshots.js'
import { createUserGenerations } from './user-generations.js'
import type { UserGeneration } from './user-generations.js'

/** What may be served, and how long a request waits for it. */
export interface SnapshotsConfig extends SnapshotCacheConfig {
  /** Milliseconds that a request waits for a snapshot, however often its load is overtaken. */
  readonly loadTimeoutMs: number
}

/** Snapshots of users' documents, one for each access token. */
export interface Snapshots {
  /** The cached copy, or `undefined`: it must be loaded. Synchronous and cheap; each request asks it. */
  find: (cacheKey: string) => BoundSnapshot | undefined
  /** What a request that arrives now asks for with `maxAgeMs`: 0 is a load that begins after this call. */
  freshness: (maxAgeMs: number) => Freshness
  /**
   * Loads a copy for a token and keeps it. Any number of requests with the token share one load; those that ask for
   * younger data than a running load will give wait for it to end, and then share the next.
   */
  loadFor: (binding: SnapshotBinding, wanted?: Freshness) => Promise<BoundSnapshot>
  /** What a load under way is bound to, if its token has not ended: that it is good was seen to by who began the load. */
  loading: (cacheKey: string) => SnapshotBinding | undefined
  /** Takes and keeps what a token brought along, unless it brings nothing that may be served. */
  take: (
    binding: SnapshotBinding,
    bring: () => Promise<BroughtDocument | undefined>,
  ) => Promise<BoundSnapshot | undefined>
  /** Loads a user's document anew and hands it to `use`, which may `keep` it for the token that it makes. */
  loadAnew: <T>(userId: string, use: (snapshot: Snapshot) => Promise<T>) => Promise<T>
  /** Keeps a snapshot that was handed out by `loadAnew`, for a token. */
  keep: (binding: SnapshotBinding, snapshot: Snapshot) => void
  /** Voids all copies and all loads of a user that began before. */
  invalidate: (userId: string) => void
  /** Voids whatever may depend on a document that has changed, and on the user id that it holds now. */
  changed: (documentId: unknown, userIdValue: unknown) => void
  /** Voids everything, loads under way included. */
  invalidateAll: () => void
  /** Copies, and what they are estimated to weigh in bytes. */
  size: SnapshotCache['size']
  /** Empties the cache; whatever is asked from now on is refused with 503. */
  close: () => void
}

interface SharedLoad {
  readonly binding: SnapshotBinding
  readonly generation: UserGeneration
  readonly promise: Promise<BoundSnapshot>
}

/** Creates the snapshots of one instance. */
export function createSnapshots(
  config: SnapshotsConfig,
  loader: Loader,
  clock: Clock,
  observer: Observer = createObserver(),
): Snapshots {
  const dependents = config.followsChanges ? createDependents() : NO_DEPENDENTS
  const generations = createUserGenerations(dependents.forget)
  const cache = createSnapshotCache(config, generations, clock, observer)
  const loads = new Map<string, SharedLoad>()
  let loadsBegun = 0
  let closed = false

  /**
   * One load in one generation. The generation is held until `use` has returned. It is invalidated if the document changed
   * during the load.
   */
  async function load<T>(generation: UserGeneration, use: (snapshot: Snapshot) => T): Promise<T> {
    const loadedAt = clock.monotonic()
    const loadNumber = ++loadsBegun
    const mark = dependents.begin()
    try {
      let loaded: Load
      try {
        loaded = await loader.load(generation.userId, generation)
        voidIfOvertaken(mark, generation, loaded, loaded.userIdValues)
      } finally {
        dependents.end()
      }
      const { userIdValues } = loaded
      return use(toSnapshot(loaded, { generation, loadedAt, loadNumber, userIdValues }))
    } finally {
      generations.release(generation)
    }
  }

  function voidIfOvertaken(
    mark: LoadMark,
    generation: UserGeneration,
    document: LoadedDocument,
    userIdValues: readonly unknown[],
  ): void {
    const isOvertaken = dependents.isOvertaken(mark, generation, () => {
      const keys = userIdValues.map(toUserKey)
      return document.exists ? [...keys, toDocumentKey(document.documentId)] : keys
    })
    // Where it has ended already, the current one is another.
    if (isOvertaken && generation.current) generations.invalidate(generation.userId)
  }

  /** A load under way that others may share: not overtaken, and of a token whose key is in use. */
  function running(cacheKey: string): SharedLoad | undefined {
    const shared = loads.get(cacheKey)
    return shared?.generation.current === true && shared.binding.signedBy?.retired !== true
      ? shared
      : undefined
  }

  function share(binding: SnapshotBinding): SharedLoad {
    const generation = generations.hold(binding.userId)
    const alongside = binding.alongside?.()
    const promise = alongside
      ? loadAlongside(alongside, binding, generation)
      : load(generation, snapshot => keep(binding, snapshot))
    const shared: SharedLoad = { binding, generation, promise }
    loads.set(binding.cacheKey, shared)
    const end = (): void => {
      if (loads.get(binding.cacheKey) === shared) loads.delete(binding.cacheKey)
    }
    // Not finally(): its promise would reject, too, and nobody would handle that.
    promise.then(end, end)
    return shared
  }

  /** Loads while `check` is running, and keeps the snapshot only if the check passes too. */
  async function loadAlongside(
    check: Promise<void>,
    binding: SnapshotBinding,
    generation: UserGeneration,
  ): Promise<BoundSnapshot> {
    // If the load fails first, nobody waits for the rejection of the check.
    check.catch(() => undefined)
    const snapshot = await load(generation, retain)
    try {
      await check
      return keep(binding, snapshot)
    } finally {
      generations.release(generation)
    }
  }

  function keep(binding: SnapshotBinding, snapshot: Snapshot): BoundSnapshot {
    return closed ? cache.bind(binding, snapshot) : cache.set(binding, snapshot)
  }

  /** Holds the generation of a snapshot for longer than its load: release it afterwards. */
  function retain(snapshot: Snapshot): Snapshot {
    generations.retain(snapshot.generation)
    return snapshot
  }

  async function take(
    binding: SnapshotBinding,
    bring: () => Promise<BroughtDocument | undefined>,
  ): Promise<BoundSnapshot | undefined> {
    assertOpen(closed)
    const generation = generations.hold(binding.userId)
    const mark = dependents.begin()
    try {
      const brought = await bring()
      if (!brought) return undefined
      voidIfOvertaken(mark, generation, brought.document, brought.userIdValues)
      // An invalidation meanwhile voids it like any other copy.
      if (!generation.current) return undefined
      observer.miss(binding.userId)
      observer.claimSnapshot(binding.userId)
      // Older than whatever a request may ask for.
      const { document, loadedAt, userIdValues } = brought
      return keep(binding, toSnapshot(document, { generation, loadedAt, loadNumber: 0, userIdValues }))
    } finally {
      dependents.end()
      generations.release(generation)
    }
  }

  /** Repeats an overtaken load, once at least: what was read before an invalidation is not served after it. */
  async function untilCurrent<T>(attempt: () => Promise<T>, isCurrent: (result: T) => boolean): Promise<T> {
    const giveUpAt = clock.monotonic() + config.loadTimeoutMs
    for (let isRepeated = false; ; isRepeated = true) {
      assertOpen(closed)
      const result = await attempt()
      if (isCurrent(result)) return result
      if (isRepeated && clock.monotonic() >= giveUpAt) throw overtaken()
    }
  }

  function invalidateAll(): void {
    generations.invalidateAll()
    cache.clear()
  }

  return {
    find: cacheKey => cache.get(cacheKey),
    freshness: maxAgeMs => ({ loadsBegun, laterThan: clock.monotonic() - maxAgeMs }),
    loadFor(binding, wanted) {
      observer.miss(binding.userId)
      return untilCurrent(
        () => {
          const shared = running(binding.cacheKey)
          if (!shared) return share(binding).promise
          observer.sharedLoad(binding.userId)
          return shared.promise
        },
        copy => copy.generation.current && isFresh(copy, wanted),
      )
    },
    loading(cacheKey) {
      const binding = running(cacheKey)?.binding
      const isOver = binding?.expiresAt !== undefined && clock.now() >= binding.expiresAt
      return isOver ? undefined : binding
    },
    take,
    async loadAnew(userId, use) {
      const used = await untilCurrent(
        async () => {
          const snapshot = await load(generations.hold(userId), retain)
          try {
            return snapshot.generation.current ? { result: await use(snapshot) } : undefined
          } finally {
            generations.release(snapshot.generation)
          }
        },
        outcome => outcome !== undefined,
      )
      return (used as { result: Awaited<ReturnType<typeof use>> }).result
    },
    keep,
    size: cache.size,
    invalidate(userId) {
      observer.invalidated(userId)
      generations.invalidate(userId)
    },
    changed(documentId, userIdValue) {
      const keys = toChangeKeys(documentId, userIdValue)
      if (keys) for (const userId of dependents.changed(keys)) generations.invalidate(userId)
      else invalidateAll()
    },
    invalidateAll,
    close() {
      closed = true
      cache.clear()
    },
  }
}

/** Named one by one: V8 takes 2 us for a spread to which members are added. */
function toSnapshot(document: LoadedDocument, load: Omit<Snapshot, keyof LoadedDocument>): Snapshot {
  const { data, heapBytes, exists, documentId, encoded } = document
  const { generation, loadedAt, loadNumber, userIdValues } = load
  return { data, heapBytes, exists, documentId, encoded, generation, loadedAt, loadNumber, userIdValues }
}

function assertOpen(closed: boolean): void {
  if (closed) throw new CustomUserDataError('closed', 'The server is shutting down.')
}

function overtaken(): CustomUserDataError {
  const message = 'The custom data is being changed faster than it can be loaded.'
  return new CustomUserDataError('custom_data_unavailable', message)
}
