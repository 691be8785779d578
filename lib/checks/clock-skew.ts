import { isDate } from 'node:util/types'
import type { Db } from 'mongodb'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { systemClock } from '../util/clock.js'
import type { Clock } from '../util/clock.js'
import type { Check, CheckLimits } from './check.js'

/** The default of `clockToleranceSeconds`. A lower tolerance does not make the clocks of machines more exact. */
const LEAST_LIMIT_MS = 5_000
/** The highest value of `clockToleranceSeconds`. */
const MOST_TOLERANCE_SECONDS = 300

/** By how much the clock of this process is ahead of the server's clock. */
export interface ClockSkew {
  /** Milliseconds, in the middle of what is possible. Negative if the clock of this process is behind. */
  readonly aheadMs: number
  /** By how many milliseconds the true value may differ: half of the round trip. */
  readonly uncertaintyMs: number
}

/**
 * Asks the server for its time, and compares it with the clock of this process. The server read its clock between the
 * sending and the answer, so the uncertainty is half of the round trip.
 *
 * @returns `undefined` if the server does not tell its time
 */
export async function measureClockSkew(
  db: Db,
  { signal }: Pick<CheckLimits, 'signal'>,
  clock: Pick<Clock, 'now'> = systemClock,
): Promise<ClockSkew | undefined> {
  const sentAt = clock.now()
  const hello = await db.command({ hello: 1 }, { ...PLAIN_BSON, readPreference: 'primary', signal })
  const answeredAt = clock.now()
  const serverTime: unknown = hello['localTime']
  if (!isDate(serverTime)) return undefined
  return {
    aheadMs: (sentAt + answeredAt) / 2 - serverTime.getTime(),
    uncertaintyMs: Math.abs(answeredAt - sentAt) / 2,
  }
}

/**
 * Checks whether the clock of this process and the server's clock differ by more than the tolerance. A difference that the
 * time of the network could explain is no finding.
 */
export const checkClockSkew: Check = async ({ db, collection, clock, clockToleranceMs = 0 }, limits) => {
  const skew = await measureClockSkew(db, limits, clock)
  if (!skew) return []
  const limitMs = Math.max(clockToleranceMs, LEAST_LIMIT_MS)
  const certainMs = Math.abs(skew.aheadMs) - skew.uncertaintyMs
  if (certainMs <= limitMs) return []
  const seconds = Math.round(Math.abs(skew.aheadMs) / 1_000)
  const tolerance = Math.ceil((Math.abs(skew.aheadMs) + skew.uncertaintyMs) / 1_000)
  const otherwise =
    tolerance <= MOST_TOLERANCE_SECONDS
      ? ` If you cannot, write clockToleranceSeconds: ${tolerance}, which accepts expired tokens for that time.`
      : ''
  const message =
    `The clock of this process is ${seconds} seconds ${skew.aheadMs > 0 ? 'ahead of' : 'behind'} the clock of the MongoDB server ` +
    `that holds ${collection.namespace}, and ${limitMs / 1_000} seconds are allowed. Tokens end by the clock of this process, and ` +
    'revocations and the removal of sessions follow the clock of MongoDB. So both come too early or too late. Synchronize ' +
    `the clocks of both machines with a time server (NTP).${otherwise}`
  return [{ code: 'clock_skew', message }]
}
