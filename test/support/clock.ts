/** A clock that stands still until told to move. */
export interface ManualClock {
  /** Wall clock, milliseconds since the epoch. */
  now: () => number
  /** Monotonic clock, milliseconds since some moment. */
  monotonic: () => number
  /** Lets time pass, on both clocks. */
  advance: (ms: number) => void
  /** Sets the wall clock, as a correction by NTP does; the monotonic clock goes on from where it was. */
  setWall: (ms: number) => void
}

/** A manual clock whose wall clock shows `startMs`, by default an instant in January 2027. */
export function createManualClock(startMs = 1_800_000_000_000): ManualClock {
  let wall = startMs
  // Not 0, nor near the wall clock: to compare the two is a mistake that should show.
  let monotonic = 1_000_000
  return {
    now: () => wall,
    monotonic: () => monotonic,
    advance: ms => {
      wall += ms
      monotonic += ms
    },
    setWall: ms => {
      wall = ms
    },
  }
}
