import { clearInterval, setInterval } from 'node:timers'
import { afterAll, beforeAll, vi } from 'vitest'
import type { MockInstance } from 'vitest'

/** The deadlines of a test file: they pass when a test says so, and never because its machine stood still. */
export interface HeldDeadlines {
  /** How many milliseconds have passed. */
  readonly now: () => number
  /** Lets so many milliseconds pass for deadlines, and for nothing else. */
  readonly pass: (ms: number) => void
  /**
   * Lets time pass so at the pace of the machine, where that does not stand still, until an answer is there; gives it, and
   * what passed. Rejects where no deadline has ended it within {@link LIMIT_MS}.
   */
  readonly passUntil: <T>(answer: PromiseLike<T>) => Promise<{ answer: T; passedMs: number }>
}

interface HeldTimer {
  readonly endsAt: number
  readonly end: () => void
}

const STEP_MS = 10
/** More than what tests have for deadlines that are to end something, and less than what must not end. */
const LIMIT_MS = 5_000

/**
 * Holds what the package's own code waits for with the global `setTimeout`, which is deadlines alone. The driver and Node's
 * HTTP take theirs from `node:timers`, and go on by the machine's clock.
 *
 * For a whole file, before its instances are made: operations share deadlines, held ones as well. A deadline that the
 * machine itself made late by standing still gets that time again here too, up to its own.
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
        // A real one, from node:timers.
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
