import type { BackgroundWork } from '../util/background-work.js'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import type { AttemptStore } from './attempt-store.js'
import { CountCorrections } from './count-corrections.js'
import { LoginAttempt } from './login-attempt.js'
import type { AttemptClient } from './login-attempt.js'
import type { AllLoginDigests } from './login-digests.js'

/** How many failed logins are let through before a login is answered with 429. */
export interface LoginThrottleOptions {
  /**
   * Failures of one account from one address in a window, 1 to 100.
   * @default 10
   */
  readonly accountAndAddressFailures?: number | undefined
  /**
   * Failures from one address (an IPv6 /64) in a window, for all accounts together, 1 to 1,000,000. Each process also lets
   * one address send as many refresh tokens that nobody issued.
   * @default 100
   */
  readonly addressFailures?: number | undefined
  /**
   * Seconds that these failures count, from the first one on, 1 to 86,400.
   * @default 900
   */
  readonly windowSeconds?: number | undefined
  /**
   * Failures of one account in a day, from all addresses that it never logged in from, 1 to 100 (NIST SP 800-63B 3.2.2).
   * @default 100
   */
  readonly accountFailures?: number | undefined
}

/** {@link LoginThrottleOptions}, complete. */
export type LoginThrottleConfig = { readonly [Key in keyof LoginThrottleOptions]-?: number }

interface ThrottleParts {
  readonly config: LoginThrottleConfig
  readonly store: AttemptStore
  readonly digests: AllLoginDigests
  readonly timeoutMs: number
  readonly events: Events
  readonly clock: Clock
  readonly backgroundWork: BackgroundWork
  /** Makes the indexes in the background, once. A login that is refused causes no load, which would make them too. */
  readonly startSetUp: () => void
}

/** Counts failed logins, for all processes on one MongoDB. */
export type LoginThrottle = ReturnType<typeof createLoginThrottle>

/** Creates the throttle. */
export function createLoginThrottle(parts: ThrottleParts) {
  const { timeoutMs, events, clock, backgroundWork, startSetUp } = parts
  const corrections = new CountCorrections(timeoutMs, events, clock, backgroundWork)
  return {
    /** Begins an attempt. Nothing is counted yet. */
    begin(client: AttemptClient): LoginAttempt {
      startSetUp()
      return new LoginAttempt({ ...parts, corrections }, client)
    },
  }
}
