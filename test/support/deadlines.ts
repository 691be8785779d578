import { clearInterval, setInterval } from 'node:timers'
import { afterAll, beforeAll, vi } from 'vitest'
import type { MockInstance } from 'vitest'

/** The deadlines of a test file. They pass when a test says so, and never because the machine stood still. */
export interface HeldDeadlines {
  /** The milliseconds that have passed for deadlines. */
  readonly now: () => number
  /** Lets this many milliseconds pass for deadlines, and for nothing else. */
  readonly pass: (ms: number) => void
  /**
   * Lets time pass for deadlines at the pace of the machine until `answer` settles. Gives the answer and the milliseconds
   * that have passed. Rejects if no deadline has ended the wait within {@link LIMIT_MS}.
   */
  readonly passUntil: <T>(answer: PromiseLike<T>) => Promise<{ answer: T; passedMs: number }>
}

interface HeldTimer {
  readonly endsAt: number
  readonly end: () => void
}

const STEP_MS = 10
/** More than the limits that tests expect to pass, and less than the limits that must not pass. */
const LIMIT_MS = 5_000

/**
 * Holds everything that waits for the global `setTimeout`: in this package only deadlines do. The driver and Node's HTTP
 * take their timers from `node:timers`, and follow the machine's clock.
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
        // This interval is real: it comes from node:timers.
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
