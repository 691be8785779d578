import { clearInterval, setInterval } from 'node:timers'
import { afterAll, beforeAll, vi } from 'vitest'
import type { MockInstance } from 'vitest'

/** The deadlines of a test file. They pass only when a test says so, and never because the machine is busy. */
export interface HeldDeadlines {
  /** How many milliseconds have passed. */
  readonly now: () => number
  /** Lets time pass for deadlines, and for nothing else. */
  readonly pass: (ms: number) => void
  /**
   * Lets time pass for deadlines in small steps until an answer is there. Resolves to the answer and the time that
   * passed.
   * Rejects if no deadline has ended the operation within {@link LIMIT_MS}.
   */
  readonly passUntil: <T>(answer: PromiseLike<T>) => Promise<{ answer: T; passedMs: number }>
}

interface HeldTimer {
  readonly endsAt: number
  readonly end: () => void
}

const STEP_MS = 10
/** More than the time limits that tests want to end, and less than the time limits that must not end. */
const LIMIT_MS = 5_000

/**
 * Holds the timers of the global `setTimeout`, which this package uses for deadlines only. The driver and Node's HTTP
 * use
 * `node:timers`, which go on by the machine's clock.
 *
 * Call it once for a whole file, before instances are created, because operations share deadlines. A deadline that
 * was late
 * because the machine stood still gets the lost time again, up to its own length.
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
    const { clearTimeout: clearReal } = globalThis
    clearTimeoutSpy = vi.spyOn(globalThis, 'clearTimeout').mockImplementation(timer => {
      if (!timers.delete(timer as unknown as HeldTimer)) clearReal(timer)
    })
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
      let passing: NodeJS.Timeout | undefined
      const limit = new Promise<never>((_resolve, reject) => {
        // This timer of node:timers is not held.
        passing = setInterval(() => {
          pass(STEP_MS)
          if (now - began >= LIMIT_MS) reject(new Error(`No deadline has ended this within ${LIMIT_MS} ms.`))
        }, STEP_MS)
      })
      try {
        return { answer: await Promise.race([answer, limit]), passedMs: now - began }
      } finally {
        clearInterval(passing)
      }
    },
  }
}
