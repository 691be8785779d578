import type { LatestDocument } from '../documents/loader.js'

/**
 * The time between two invalidations of one user. Loads and snapshots hold the generation in which they began, so one
 * assignment invalidates any number of them. There is one for each user, so it is flat.
 */
export interface UserGeneration extends LatestDocument {
  readonly userId: string
  /** False after an invalidation: no load and no snapshot of this generation may be served. */
  current: boolean
  /** Loads and snapshots that hold it. */
  holders: number
  /**
   * The cache keys of the user's snapshots, oldest first. This includes snapshots of earlier generations, because an
   * invalidated snapshot stays in the cache until a request asks for it. Most users have one key, so one key needs no set.
   */
  cacheKeys: string | Set<string> | undefined
  /** The estimated memory of these snapshots together. */
  cachedBytes: number
}

/** The most that one user may have in the cache. */
export interface CacheShare {
  readonly snapshots: number
  readonly bytes: number
}

function createGeneration(userId: string): UserGeneration {
  return {
    userId,
    current: true,
    holders: 0,
    data: undefined,
    heapBytes: 0,
    cacheKeys: undefined,
    cachedBytes: 0,
  }
}

/** The generations of all users who have snapshots or running loads. */
export class UserGenerations {
  /** One generation for each user: the current one, or an ended one with snapshots that are still cached. */
  readonly #generations = new Map<string, UserGeneration>()
  readonly #onEnd: ((generation: UserGeneration) => void) | undefined

  /** `onEnd` is called with each generation that ends or that nobody holds any more. */
  constructor(onEnd?: (generation: UserGeneration) => void) {
    this.#onEnd = onEnd
  }

  /** The user's current generation. Its holder must release it. */
  hold(userId: string): UserGeneration {
    let generation = this.#generations.get(userId)
    if (!generation?.current) generation = this.#begin(userId, generation)
    generation.holders++
    return generation
  }

  /** Adds a holder to a generation that has one already. */
  retain(generation: UserGeneration): void {
    generation.holders++
  }

  release(generation: UserGeneration): void {
    generation.holders--
    if (generation.holders > 0 || !generation.current) return
    this.#onEnd?.(generation)
    this.#forgetUnused(generation)
  }

  /** Notes a snapshot that the cache now holds. The user must have a generation. */
  addCached(userId: string, cacheKey: string, bytes: number): void {
    const generation = this.#generations.get(userId)
    if (!generation) return
    generation.cachedBytes += bytes
    const { cacheKeys } = generation
    if (cacheKeys === undefined) generation.cacheKeys = cacheKey
    else if (typeof cacheKeys === 'string') generation.cacheKeys = new Set([cacheKeys, cacheKey])
    else cacheKeys.add(cacheKey)
  }

  /** Forgets a snapshot that has left the cache. */
  removeCached(userId: string, cacheKey: string, bytes: number): void {
    const generation = this.#generations.get(userId)
    if (!generation) return
    generation.cachedBytes -= bytes
    const { cacheKeys } = generation
    if (typeof cacheKeys !== 'string') cacheKeys?.delete(cacheKey)
    if (cacheKeys === cacheKey || (typeof cacheKeys === 'object' && cacheKeys.size === 0)) {
      generation.cacheKeys = undefined
      this.#forgetUnused(generation)
    }
  }

  /** The key of the user's oldest cached snapshot, if one more snapshot of this size would exceed the user's share. */
  oldestBeyond(userId: string, share: CacheShare, bytes: number): string | undefined {
    const { cacheKeys, cachedBytes } = this.#generations.get(userId) ?? {}
    if (cacheKeys === undefined || cachedBytes === undefined) return undefined
    const count = typeof cacheKeys === 'string' ? 1 : cacheKeys.size
    if (count < share.snapshots && cachedBytes + bytes <= share.bytes) return undefined
    return typeof cacheKeys === 'string' ? cacheKeys : cacheKeys.values().next().value
  }

  /** Ends the user's generation. This costs no memory for a user without one. */
  invalidate(userId: string): void {
    const generation = this.#generations.get(userId)
    if (generation) this.#end(generation)
  }

  /** Ends all generations. */
  invalidateAll(): void {
    for (const generation of this.#generations.values()) this.#end(generation)
  }

  #end(generation: UserGeneration): void {
    if (!generation.current) return
    generation.current = false
    this.#onEnd?.(generation)
    this.#forgetUnused(generation)
  }

  #forgetUnused(generation: UserGeneration): void {
    if (generation.cacheKeys !== undefined || (generation.current && generation.holders > 0)) return
    const { userId } = generation
    if (this.#generations.get(userId) === generation) this.#generations.delete(userId)
  }

  /** Begins a new generation. Cached snapshots of the one before still count for the user's share. */
  #begin(userId: string, before: UserGeneration | undefined): UserGeneration {
    const generation = createGeneration(userId)
    if (before) {
      generation.cacheKeys = before.cacheKeys
      generation.cachedBytes = before.cachedBytes
    }
    this.#generations.set(userId, generation)
    return generation
  }
}
