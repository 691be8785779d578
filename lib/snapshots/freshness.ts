import type { BoundSnapshot } from './snapshot-cache.js'

/** How young a copy must be for one request. */
export interface Freshness {
  /** Loads that had begun when the request arrived. What began after it is young enough, whatever the clock says. */
  readonly loadsBegun: number
  /** In monotonic milliseconds: what began later than this is young enough as well. */
  readonly laterThan: number
}

/** Whether a snapshot may be served to a request that asks for this. Its age is counted from when its load began. */
export function isFresh({ loadNumber, loadedAt }: BoundSnapshot, wanted: Freshness | undefined): boolean {
  return wanted === undefined || loadNumber > wanted.loadsBegun || loadedAt > wanted.laterThan
}
