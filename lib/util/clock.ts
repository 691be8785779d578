/** Where time is read. Replace it in tests instead of sleeping. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch: token and session times are compared with it. */
  now(): number
  /** Milliseconds that never jump: the age of cached data is measured with it. */
  monotonic(): number
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
