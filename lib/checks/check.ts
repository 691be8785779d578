import type { Collection, Db } from 'mongodb'
import type { WarningEvent } from '../events.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import type { Clock } from '../util/clock.js'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { isThrown } from '../util/thrown.js'

/** What checks look at. */
export interface CheckTarget {
  readonly db: Db
  /** The team's collection of custom data. */
  readonly collection: Collection
  readonly userIdField: string
  /** Whether the team gave `toFieldValues`, so that ids may be stored in any form. */
  readonly hasToFieldValues: boolean
  /** The names of the collections of this package. */
  readonly ownCollections: readonly string[]
  /** The clock of this process; by default that of the machine. */
  readonly clock?: Clock | undefined
  /** By how many milliseconds clocks may differ. */
  readonly clockToleranceMs?: number | undefined
}

/** How long one check may take. */
export interface CheckLimits {
  /** Milliseconds for a command at the server. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Looks at the set-up, and returns a warning for each finding: a stable code, and a sentence with what to write instead.
 * Each check is one file, and is listed in `readiness.ts`. A check only reads.
 */
export type Check = (target: CheckTarget, limits: CheckLimits) => Promise<readonly WarningEvent[]>

/** The codes of a server that gives up. */
const GAVE_UP = [SERVER_ERRORS.maxTimeMSExpired, SERVER_ERRORS.memoryLimitExceeded]

/**
 * Runs checks one after the other, and returns their warnings. A check that takes too long or has no right to look finds
 * nothing, because warnings only help. Any other error rejects.
 */
export async function runChecks(
  checks: readonly Check[],
  target: CheckTarget,
  timeoutMs: number,
): Promise<readonly WarningEvent[]> {
  const warnings: WarningEvent[] = []
  for (const check of checks) {
    warnings.push(...(await lookInTime(timeoutMs, limits => check(target, limits))))
  }
  return warnings
}

/**
 * Runs one look at the set-up. If it takes too long or has no right to look, it finds nothing. Any other error rejects.
 *
 * @param whenTooLong returns the warnings about a look that takes too long; by default there are none
 */
export async function lookInTime(
  timeoutMs: number,
  look: (limits: CheckLimits) => Promise<readonly WarningEvent[]>,
  whenTooLong: () => readonly WarningEvent[] = () => [],
): Promise<readonly WarningEvent[]> {
  try {
    return await withDeadline(timeoutMs, signal => look({ timeoutMs, signal }))
  } catch (error) {
    if (isThrown(DeadlineError, error) || hasCode(error, ...GAVE_UP)) return whenTooLong()
    if (hasCode(error, SERVER_ERRORS.unauthorized)) return []
    throw error
  }
}
