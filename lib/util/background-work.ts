import { createContextKeeper } from './async-context.js'
import type { Clock } from './clock.js'

/** How long work in many steps may go on after `close()` was called. */
const CLOSING_MS = 2_000

/**
 * Operations that no answer waits for. `close()` waits for them, because the app closes its MongoDB client next, and would
 * interrupt them.
 */
export class BackgroundWork {
  readonly #running = new Set<Promise<void>>()
  readonly #outsideRequests = createContextKeeper()
  readonly #clock: Clock
  #endsAt = Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether `close()` has waited for long enough. Work in many steps must ask this before each step. */
  get mustEnd(): boolean {
    return this.#clock.monotonic() >= this.#endsAt
  }

  /** Begins an operation that may take long, outside of the request that causes it. The same holds as for `add()`. */
  start(operation: () => Promise<void>): void {
    this.add(this.#outsideRequests(operation))
  }

  /** Registers an operation. It must have a time limit of its own, and must not reject. */
  add(operation: Promise<void>): void {
    this.#running.add(operation)
    void operation.finally(() => this.#running.delete(operation))
  }

  /**
   * Resolves when nothing is running any more, or else when the operations have ended that run after {@link CLOSING_MS}.
   * Each operation and each step has a time limit. Requests that still come in may begin others, without an end.
   */
  async close(): Promise<void> {
    this.#endsAt = this.#clock.monotonic() + CLOSING_MS
    while (this.#running.size > 0 && !this.mustEnd) await Promise.all(this.#running)
    await Promise.all(this.#running)
  }
}
