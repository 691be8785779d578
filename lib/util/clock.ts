/**
 * The source of time. Give your own clock in tests, so that they need not sleep.
 *
 * @example
 * let elapsedMs = 0
 * const clock: Clock = { now: () => 1_700_000_000_000 + elapsedMs, monotonic: () => elapsedMs }
 * const userData = createCustomUserData({ ...options, clock })
 * elapsedMs += 30 * 60 * 1000 // half an hour later
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. The times in tokens and sessions are compared with it. */
  now(): number
  /** Milliseconds from any starting point, which never go back. The age of snapshots is measured with it. */
  monotonic(): number
}

/** The clocks of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
