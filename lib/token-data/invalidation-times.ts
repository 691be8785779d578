import type { Clock } from '../util/clock.js'

/** When users and documents were last invalidated. This decides whether data that another instance read may be served. */
export interface InvalidationTimes {
  /** Invalidates data that was read under a key until now. */
  add: (key: string) => void
  /** Invalidates all data that was read until now. */
  addAll: () => void
  /** Whether data of this age in milliseconds was read before its key's last invalidation. */
  isInvalidated: (key: string, ageMs: number) => boolean
}

/** The most keys with a time of their own. */
const MAX_REMEMBERED = 100_000

/**
 * Creates the times. If there are too many keys, the older half is dropped, and its latest time then counts for all keys.
 * So some data is read again in vain, but no invalidated data is served. Data older than its TTL is not served anyway, so this
 * happens seldom. One map from which the oldest keys are deleted would be slow: its iteration steps over deleted entries.
 */
export function createInvalidationTimes(clock: Clock): InvalidationTimes {
  /** In monotonic milliseconds. */
  let younger = new Map<string, number>()
  let older = new Map<string, number>()
  let lastOfYounger = -Infinity
  let lastOfOlder = -Infinity
  let floor = -Infinity

  function rotate(): void {
    floor = Math.max(floor, lastOfOlder)
    older = younger
    lastOfOlder = lastOfYounger
    younger = new Map()
  }

  return {
    add(key) {
      if (younger.size >= MAX_REMEMBERED / 2) rotate()
      lastOfYounger = clock.monotonic()
      younger.set(key, lastOfYounger)
    },
    addAll() {
      floor = clock.monotonic()
    },
    isInvalidated(key, ageMs) {
      const time = younger.get(key) ?? older.get(key) ?? -Infinity
      return clock.monotonic() - ageMs <= Math.max(floor, time)
    },
  }
}
