import type { BackgroundWork } from '../util/background-work.js'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { describeForLog } from '../util/redaction.js'
import type { Events } from '../events.js'

/** The shortest time between two warnings: while MongoDB is away, each login would cause one. */
const REPORT_INTERVAL_MS = 60_000

/**
 * Corrections of counts, which run after the answer to a login. Until they are done, counts are too high, which is safe. If
 * the process ends before, they stay too high until their window ends.
 */
export class CountCorrections {
  readonly #timeoutMs: number
  readonly #events: Events
  readonly #clock: Clock
  readonly #backgroundWork: BackgroundWork
  readonly #running = new Map<string, Promise<unknown>>()
  #reportedAt = -Infinity

  constructor(timeoutMs: number, events: Events, clock: Clock, backgroundWork: BackgroundWork) {
    this.#timeoutMs = timeoutMs
    this.#events = events
    this.#clock = clock
    this.#backgroundWork = backgroundWork
  }

  /** Runs a correction of these counts. Never rejects: a failure is a warning, because it must not change an answer. */
  async run(keys: readonly string[], operation: () => Promise<void>): Promise<void> {
    const correction = withDeadline(this.#timeoutMs, operation).catch((error: unknown) => this.#report(error))
    this.#backgroundWork.add(correction)
    for (const key of keys) {
      const all = Promise.all([this.#running.get(key), correction])
      this.#running.set(key, all)
      void all.then(() => {
        if (this.#running.get(key) === all) this.#running.delete(key)
      })
    }
    await correction
  }

  /**
   * Waits for the corrections of a count that run now. Without it a client that logs in again at once would be refused for
   * failures that its last login has forgiven.
   */
  async settled(key: string): Promise<void> {
    await this.#running.get(key)
  }

  #report(error: unknown): void {
    if (this.#clock.monotonic() - this.#reportedAt < REPORT_INTERVAL_MS) return
    this.#reportedAt = this.#clock.monotonic()
    const message =
      'Counts of failed logins could not be reduced after a login, so they stay too high until their window ends: ' +
      describeForLog(error)
    this.#events.warn({ code: 'login_attempts_not_corrected', message })
  }
}
