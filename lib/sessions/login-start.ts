import { inspect } from 'node:util'

/** When a login began, on both clocks of this machine. */
export interface LoginStart {
  /** `performance.now()` of that moment. */
  readonly monotonicMs: number
  /** `Date.now()` of that moment. */
  readonly wallMs: number
}

/**
 * The most by which the rates of this machine's clock and the database server's clock may differ. The kernel adjusts each
 * clock by 500 ppm at most.
 */
const DRIFT = 0.001

/**
 * Notes that a login begins now. It reads the machine's clocks instead of the option `clock`, because the elapsed time is
 * compared with the real clock of the database server.
 */
export function startLogin(): LoginStart {
  return { monotonicMs: performance.now(), wallMs: Date.now() }
}

/**
 * Converts the option `startedAt`, a value of `performance.now()`, to the start of a login; without it the login begins
 * now. Throws a `TypeError` for any other value.
 */
export function toLoginStart(startedAt: unknown): LoginStart {
  const { monotonicMs, wallMs } = startLogin()
  if (startedAt === undefined) return { monotonicMs, wallMs }
  if (typeof startedAt === 'number' && startedAt >= 0 && startedAt <= monotonicMs) {
    return { monotonicMs: startedAt, wallMs: wallMs - (monotonicMs - startedAt) }
  }
  throw new TypeError(
    `issueTokens(userId, { startedAt }): ${inspect(startedAt)} is no time between the start of this process and now. ` +
      'Give the value that performance.now() had when your check of the credentials began.',
  )
}

/** How many milliseconds have passed since the start: no less than `atLeast`, and no more than `atMost`. */
export function elapsedSince(start: LoginStart): { readonly atLeast: number; readonly atMost: number } {
  const monotonic = performance.now() - start.monotonicMs
  const wall = Date.now() - start.wallMs
  // The monotonic clock stands still while a machine sleeps. The wall clock is read in whole milliseconds, so a difference
  // of up to 1 ms is no sleep.
  const longest = wall - monotonic > 1 ? wall + 1 : monotonic
  return { atLeast: monotonic * (1 - DRIFT), atMost: longest * (1 + DRIFT) }
}

/** A revocation and the server's time, read between two calls of {@link elapsedSince}. */
export interface RevocationReading {
  /** The server's time of the last revocation, in milliseconds. */
  readonly revokedAt: number
  /** The server's time while it handled the command. */
  readonly serverTime: number
  /** Milliseconds of the login until the command was sent, at least. */
  readonly beforeMs: number
  /** Milliseconds of the login until the answer was there, at most. */
  readonly afterMs: number
}

/**
 * Whether a login began `before` or `after` a revocation, by the server's clock.
 *
 * The server read its time between the sending and the answer, so the login began no earlier than that time minus
 * `afterMs`, and no later than that time minus `beforeMs`. BSON dates are rounded down to whole milliseconds:
 * - The true revocation came before `revokedAt + 1`, and the true server time is not before `serverTime`. So
 *   `serverTime - afterMs >= revokedAt + 1` proves that the login began after the revocation.
 * - `serverTime - beforeMs <= revokedAt` says that the login began before `revokedAt + 1`. A revocation is answered only
 *   when the server's clock has passed that millisecond, so no login that began after the answer is taken for an older one.
 */
export function compareWithRevocation(reading: RevocationReading): 'before' | 'after' | 'unclear' {
  const { revokedAt, serverTime, beforeMs, afterMs } = reading
  if (serverTime - afterMs >= revokedAt + 1) return 'after'
  return serverTime - beforeMs <= revokedAt ? 'before' : 'unclear'
}
