import { clearInterval, setInterval } from 'node:timers'
import { afterAll, beforeAll, vi } from 'vitest'
import type { MockInstance } from 'vitest'

/** The deadlines of a test file: they pass when a test says so, and never because its machine stood still. */
export interface HeldDeadlines {
  /** How many milliseconds have passed. */
  readonly now: () => number
  /** Lets so many milliseconds pass for deadlines, and for nothing else. */
  readonly pass: (ms: number) => void
  /** Lets time pass so until an answer is there, and gives both. */
  readonly passUntil: <T>(answer: PromiseLike<T>) => Promise<{ answer: T; passedMs: number }>
}

interface HeldTimer {
  readonly endsAt: number
  readonly end: () => void
}

/** Less than any deadline of a test, so that what passed says how long was waited. */
const STEP_MS = 10

/**
 * Holds what the package's own code waits for with the global `setTimeout`, which is deadlines alone. The driver and Node's
 * HTTP take theirs from `node:timers`, and go on by the machine's clock.
 *
 * For a whole file, before its instances are made: operations share deadlines, held ones as well.
 */
export function holdDeadlines(): HeldDeadlines {
  const timers = new Set<HeldTimer>()
  let now = 0
  let setTimeoutSpy: MockInstance | undefined
  let clearTimeoutSpy: MockInstance | undefined

  const hold = (end: () => void, ms = 0) => {
    const timer = { endsAt: now + ms, end, ref: () => timer, unref: () => timer }
    timers.add(timer)
    return timer
  }
  const pass = (ms: number) => {
    now += ms
    for (const timer of timers) {
      if (timer.endsAt > now) continue
      timers.delete(timer)
      timer.end()
    }
  }

  beforeAll(() => {
    setTimeoutSpy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(hold as never)
    clearTimeoutSpy = vi
      .spyOn(globalThis, 'clearTimeout')
      .mockImplementation(timer => timers.delete(timer as unknown as HeldTimer))
  })
  afterAll(() => {
    setTimeoutSpy?.mockRestore()
    clearTimeoutSpy?.mockRestore()
  })

  return {
    now: () => now,
    pass,
    passUntil: async answer => {
      const began = now
      // By the driver's clock, so that what is under way goes on in between.
      const passing = setInterval(() => pass(STEP_MS), 2)
      try {
        return { answer: await answer, passedMs: now - began }
      } finally {
        clearInterval(passing)
      }
    },
  }
}
