import { momentOf, startTimer } from '../util/clock.js'
import type { Clock } from '../util/clock.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Metrics } from '../metrics.js'
import { toChangeKeys, toDocumentKey, toUserKey } from './change-key.js'
import { createChangeIndex, NO_CHANGE_INDEX } from './change-index.js'
import type { ChangeIndex, LoadMark } from './change-index.js'
import { isFresh } from './freshness.js'
import type { Freshness } from './freshness.js'
import type { ExactDecoder } from '../documents/find-document.js'
import type { LoadedDocument, Loader } from '../documents/loader.js'
import { createSnapshotCache } from './snapshot-cache.js'
import type { BoundSnapshot, Snapshot, SnapshotBinding, SnapshotCacheConfig } from './snapshot-cache.js'
import type { ClaimDocument } from '../token-data/claim-snapshots.js'
import { UserGenerations } from './user-generations.js'
import type { UserGeneration } from './user-generations.js'

/** The bounds of the cache, and how long a request waits. */
export interface SnapshotsConfig extends SnapshotCacheConfig {
  /** Milliseconds that a request waits for a snapshot, however often its load is repeated. */
  readonly loadTimeoutMs: number
}

interface SharedLoad {
  readonly binding: SnapshotBinding
  readonly generation: UserGeneration
  readonly promise: Promise<BoundSnapshot>
}

/** The loads of one instance, its cache, and the generations that both belong to. */
export class SnapshotLoads {
  readonly generations
  readonly cache
  readonly #changeIndex: ChangeIndex<UserGeneration>
  readonly #running = new Map<string, SharedLoad>()
  readonly #config
  readonly #loader
  readonly #clock
  readonly #metrics
  #begun = 0
  #closed = false

  constructor(config: SnapshotsConfig, loader: Loader, clock: Clock, metrics: Metrics) {
    this.#config = config
    this.#loader = loader
    this.#clock = clock
    this.#metrics = metrics
    this.#changeIndex = config.followsChanges ? createChangeIndex() : NO_CHANGE_INDEX
    this.generations = new UserGenerations(this.#changeIndex.forget)
    this.cache = createSnapshotCache(config, this.generations, clock, metrics)
  }

  freshness(maxAgeMs: number): Freshness {
    return { loadsBegun: this.#begun, laterThan: this.cache.momentBefore(maxAgeMs) }
  }

  loadFor(binding: SnapshotBinding, wanted: Freshness | undefined): Promise<BoundSnapshot> {
    this.#metrics.miss(binding.userId)
    return this.#untilCurrent(
      () => {
        const shared = this.#shareable(binding.cacheKey)
        return shared ? this.#waitFor(shared) : this.#share(binding).promise
      },
      snapshot => snapshot.generation.current && isFresh(snapshot, wanted),
    )
  }

  loading(cacheKey: string): SnapshotBinding | undefined {
    const binding = this.#shareable(cacheKey)?.binding
    const hasExpired = binding?.expiresAt !== undefined && this.#clock.now() >= binding.expiresAt
    return hasExpired ? undefined : binding
  }

  async keepFromClaim(
    binding: SnapshotBinding,
    read: () => Promise<ClaimDocument | undefined>,
  ): Promise<BoundSnapshot | undefined> {
    this.#requireOpen()
    const generation = this.generations.hold(binding.userId)
    const mark = this.#changeIndex.begin()
    try {
      const found = await read()
      if (!found) return undefined
      const { document, loadedAt, userIdValues } = found
      this.#invalidateIfChanged(mark, generation, document, userIdValues)
      if (!generation.current) return undefined
      this.#metrics.miss(binding.userId)
      this.#metrics.claimSnapshot(binding.userId)
      // No request may take it for a load of its own, so its number is below that of every load.
      return this.keep(binding, toSnapshot(document, { generation, loadedAt, loadNumber: 0, userIdValues }))
    } finally {
      this.#changeIndex.end()
      this.generations.release(generation)
    }
  }

  async loadForNewToken<T>(
    userId: string,
    use: (snapshot: Snapshot) => Promise<T>,
    decodeExactly: ExactDecoder | undefined,
  ): Promise<T> {
    const used = await this.#untilCurrent(
      async () => {
        const snapshot = await this.#load(
          this.generations.hold(userId),
          loaded => this.#retain(loaded),
          decodeExactly,
        )
        try {
          return snapshot.generation.current ? { result: await use(snapshot) } : undefined
        } finally {
          this.generations.release(snapshot.generation)
        }
      },
      outcome => outcome !== undefined,
    )
    return (used as { result: Awaited<T> }).result
  }

  keep(binding: SnapshotBinding, snapshot: Snapshot): BoundSnapshot {
    const mayKeep = !this.#closed && binding.isAccepted?.() !== false
    return mayKeep ? this.cache.set(binding, snapshot) : this.cache.bind(binding, snapshot)
  }

  changed(documentId: unknown, userIdValue: unknown): void {
    const keys = toChangeKeys(documentId, userIdValue)
    if (keys) for (const { userId } of this.#changeIndex.changed(keys)) this.generations.invalidate(userId)
    else this.invalidateAll()
  }

  invalidateAll(): void {
    this.generations.invalidateAll()
    this.cache.clear()
  }

  close(): void {
    this.#closed = true
    this.cache.clear()
  }

  /** One load in one generation, which is held until `use` has returned and invalidated if its document has changed. */
  async #load<T>(
    generation: UserGeneration,
    use: (snapshot: Snapshot) => T,
    decodeExactly?: ExactDecoder,
  ): Promise<T> {
    const loadedAt = momentOf(this.#clock)
    const loadNumber = ++this.#begun
    const mark = this.#changeIndex.begin()
    try {
      const loaded = await this.#loader.load(generation.userId, generation, decodeExactly)
      const { userIdValues } = loaded
      this.#invalidateIfChanged(mark, generation, loaded, userIdValues)
      return use(toSnapshot(loaded, { generation, loadedAt, loadNumber, userIdValues }))
    } finally {
      this.#changeIndex.end()
      this.generations.release(generation)
    }
  }

  #invalidateIfChanged(
    mark: LoadMark,
    generation: UserGeneration,
    document: LoadedDocument,
    userIdValues: readonly unknown[],
  ): void {
    const hasChanged = this.#changeIndex.hasChanged(mark, generation, () => {
      const keys = userIdValues.map(toUserKey)
      return document.exists ? [...keys, toDocumentKey(document.documentId)] : keys
    })
    // The user of a generation that has ended may have another, which this load does not concern.
    if (hasChanged && generation.current) this.generations.invalidate(generation.userId)
  }

  /** A running load that other requests may share: not invalidated, and of a token whose key is in use. */
  #shareable(cacheKey: string): SharedLoad | undefined {
    const shared = this.#running.get(cacheKey)
    const isUsable = shared?.generation.current === true && shared.binding.signedBy?.retired !== true
    return isUsable ? shared : undefined
  }

  #share(binding: SnapshotBinding): SharedLoad {
    const generation = this.generations.hold(binding.userId)
    const check = binding.check?.()
    const promise = check
      ? this.#loadWithCheck(check, binding, generation)
      : this.#load(generation, snapshot => this.keep(binding, snapshot))
    const shared: SharedLoad = { binding, generation, promise }
    this.#running.set(binding.cacheKey, shared)
    const end = (): void => {
      if (this.#running.get(binding.cacheKey) === shared) this.#running.delete(binding.cacheKey)
    }
    // finally() would make another promise that rejects, and nobody would handle the rejection.
    promise.then(end, end)
    return shared
  }

  /** Waits for a load that another request has begun. */
  async #waitFor({ binding, promise }: SharedLoad): Promise<BoundSnapshot> {
    const timed = startTimer(this.#clock)
    const count = (code?: string): void => {
      this.#metrics.sharedLoad({ userId: binding.userId, ...timed(), code })
    }
    try {
      const snapshot = await promise
      count()
      return snapshot
    } catch (error) {
      count(asCustomUserDataError(error)?.code)
      throw error
    }
  }

  /** Loads while `check` is running, and keeps the snapshot only if the check passes too. */
  async #loadWithCheck(
    check: Promise<void>,
    binding: SnapshotBinding,
    generation: UserGeneration,
  ): Promise<BoundSnapshot> {
    // If the load fails first, nobody waits for the rejection of the check.
    check.catch(() => undefined)
    const snapshot = await this.#load(generation, loaded => this.#retain(loaded))
    try {
      await check
      return this.keep(binding, snapshot)
    } finally {
      this.generations.release(generation)
    }
  }

  /** Holds the generation of a snapshot for longer than its load. It must be released afterwards. */
  #retain(snapshot: Snapshot): Snapshot {
    this.generations.retain(snapshot.generation)
    return snapshot
  }

  /** Repeats a load that was invalidated, at least once: data from before an invalidation is not served after it. */
  async #untilCurrent<T>(attempt: () => Promise<T>, isCurrent: (result: T) => boolean): Promise<T> {
    const giveUpAt = this.#clock.monotonic() + this.#config.loadTimeoutMs
    for (let isRepeated = false; ; isRepeated = true) {
      this.#requireOpen()
      const result = await attempt()
      if (isCurrent(result)) return result
      if (isRepeated && this.#clock.monotonic() >= giveUpAt) {
        const message = 'The custom data is being changed faster than it can be loaded.'
        throw new CustomUserDataError('custom_data_unavailable', message)
      }
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw new CustomUserDataError('closed', 'The server is shutting down.')
  }
}

/** The members are named one by one: V8 takes 2 µs for a spread to which members are added. */
function toSnapshot(document: LoadedDocument, load: Omit<Snapshot, keyof LoadedDocument>): Snapshot {
  const { data, heapBytes, exists, documentId, encoded, exact } = document
  const { generation, loadedAt, loadNumber, userIdValues } = load
  return {
    data,
    heapBytes,
    exists,
    documentId,
    encoded,
    exact,
    generation,
    loadedAt,
    loadNumber,
    userIdValues,
  }
}
