import { inspect } from 'node:util'
import { OptionError } from '../errors.js'
import type { Clock } from '../util/clock.js'
import { refuseProduction } from './refuse-production.js'

/** A clock that stands still until a test moves it. Give it as the option `clock` of an instance. */
export interface TestClock extends Clock {
  /**
   * Lets time pass.
   * @param ms milliseconds, 0 or more
   * @throws {OptionError} `invalid_option` for any other value
   */
  advance(this: void, ms: number): void
}

/**
 * Creates a clock that stands still until you move it. With it a test reaches the end of a token or the age of a snapshot
 * without waiting. It moves neither the timers of Node nor `Date.now()`.
 *
 * @param start the time that it shows first: a `Date`, or milliseconds since the epoch. Default: the present time
 * @returns a clock for `createTestUserData()`, and for `createCustomUserData()` in tests with a real MongoDB
 * @throws {OptionError} `invalid_option` if `start` is no time; `testing_in_production` if `NODE_ENV` is `production`
 * @example
 * const clock = createTestClock()
 * const userData = createTestUserData({ documents: { alice: { plan: 'pro' } }, clock })
 * const token = await tokenFor(userData, 'alice')
 * clock.advance(31 * 60 * 1000)
 * await userData.verifyToken(token) // rejects: the token has expired
 */
export function createTestClock(start: Date | number = Date.now()): TestClock {
  refuseProduction()
  const startMs = Number(start)
  if (!Number.isFinite(startMs)) {
    throw new OptionError(
      `createTestClock: ${inspect(start)} is no time. Write a Date, or milliseconds since the epoch.`,
    )
  }
  let elapsed = 0
  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    advance(ms) {
      if (!(Number.isFinite(ms) && ms >= 0)) {
        throw new OptionError(
          `advance: ${inspect(ms)} is no duration. Write milliseconds, 0 or more: time does not go back.`,
        )
      }
      elapsed += ms
    },
  }
}
