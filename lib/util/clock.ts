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
  /**
   * Milliseconds from any starting point, which never go back. The age of data is the longer of the times on both clocks,
   * because this clock may stand still while the machine sleeps.
   */
  monotonic(): number
}

/** A moment on both clocks. The monotonic clock stands still while a machine sleeps; the wall clock can be set back. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** The present moment. */
export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/** Milliseconds since a moment: the longer of the times on the two clocks, so that data is never taken for too young. */
export function elapsedMs(clock: Clock, since: Moment): number {
  return Math.max(clock.now() - since.wall, clock.monotonic() - since.monotonic)
}

/** A time that has passed. */
export interface Timed {
  /** When it began, in milliseconds since the epoch. */
  readonly startTime: number
  /** How many milliseconds it took. */
  readonly ms: number
}

/** Begins to measure a time, and returns the function that reads it. */
export function startTimer(clock: Clock): () => Timed {
  const startTime = clock.now()
  const startedAt = clock.monotonic()
  return () => ({ startTime, ms: clock.monotonic() - startedAt })
}

/** The clocks of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
