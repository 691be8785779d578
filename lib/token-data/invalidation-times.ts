import type { Clock } from '../util/clock.js'

/** When each of some keys (users, documents) was last invalidated: what tells a copy that came from elsewhere from one that is void. */
export interface InvalidationTimes {
  /** Voids what was read under a key until now. */
  add: (key: string) => void
  /** Voids what was read of anybody until now. */
  addAll: () => void
  /** Whether a copy that is so many milliseconds old was read before its key's last invalidation. */
  isInvalidated: (key: string, ageMs: number) => boolean
}

/** Keys remembered one by one. */
const MAX_REMEMBERED = 100_000

/**
 * Creates an empty book. Where there are too many keys in it, the older half goes, and the last of its times stands for
 * all keys from then on: some copies are read again in vain, and none is served that should not be. Copies that are older
 * than their TTL are not served either, so that the half is seldom missed. (One map from which the oldest is deleted
 * would be slow: iteration has to step over what was deleted.)
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
