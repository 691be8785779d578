import type { Moment } from '../util/clock.js'
import type { BoundSnapshot } from './snapshot-cache.js'

/** How fresh a snapshot must be for one request. */
export interface Freshness {
  /** The number of loads that had begun when the request arrived. Any later load is fresh, whatever the clock says. */
  readonly loadsBegun: number
  /** A load that began later than this on both clocks is fresh too. In the times of {@link BoundSnapshot}. */
  readonly laterThan: Moment
}

/** Whether a snapshot is fresh enough for a request. The age of a snapshot is counted from the start of its load. */
export function isFresh(snapshot: BoundSnapshot, wanted: Freshness | undefined): boolean {
  if (wanted === undefined || snapshot.loadNumber > wanted.loadsBegun) return true
  const { wall, monotonic } = wanted.laterThan
  return snapshot.loadedAt > monotonic && snapshot.wallLoadedAt > wall
}
