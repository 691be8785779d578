/** A clock that moves only when a test moves it. */
export interface ManualClock {
  /** Wall clock, milliseconds since the epoch. */
  now: () => number
  /** Monotonic clock, milliseconds since an arbitrary moment. */
  monotonic: () => number
  /** Lets time pass, on both clocks. */
  advance: (ms: number) => void
  /** Lets the machine sleep: the wall clock moves on, and the monotonic clock stands still. */
  sleep: (ms: number) => void
  /** Sets the wall clock, like a correction by NTP. The monotonic clock does not change. */
  setWall: (ms: number) => void
}

/** Creates a manual clock. The wall clock shows `startMs`, by default a time in January 2027. */
export function createManualClock(startMs = 1_800_000_000_000): ManualClock {
  let wall = startMs
  // The clocks differ widely, so that code which compares one with the other fails.
  let monotonic = 1_000_000
  return {
    now: () => wall,
    monotonic: () => monotonic,
    advance: ms => {
      wall += ms
      monotonic += ms
    },
    sleep: ms => {
      wall += ms
    },
    setWall: ms => {
      wall = ms
    },
  }
}
