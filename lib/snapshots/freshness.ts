import type { BoundSnapshot } from './snapshot-cache.js'

/** How fresh a snapshot must be for one request. */
export interface Freshness {
  /** The number of loads that had begun when the request arrived. Any later load is fresh, whatever the clock says. */
  readonly loadsBegun: number
  /** In monotonic milliseconds. A load that began later than this is fresh too. */
  readonly laterThan: number
}

/** Whether a snapshot is fresh enough for a request. The age of a snapshot is counted from the start of its load. */
export function isFresh({ loadNumber, loadedAt }: BoundSnapshot, wanted: Freshness | undefined): boolean {
  return wanted === undefined || loadNumber > wanted.loadsBegun || loadedAt > wanted.laterThan
}
