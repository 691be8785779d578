import { createContextKeeper } from './async-context.js'

/**
 * Operations that no answer waits for. `close()` waits for them, because the app closes its MongoDB client next, and would
 * interrupt them.
 */
export class BackgroundWork {
  readonly #running = new Set<Promise<void>>()
  readonly #outsideRequests = createContextKeeper()

  /** Begins an operation that may take long, outside of the request that causes it. The same holds as for `add()`. */
  start(operation: () => Promise<void>): void {
    this.add(this.#outsideRequests(operation))
  }

  /** Registers an operation. It must have a time limit of its own, and must not reject. */
  add(operation: Promise<void>): void {
    this.#running.add(operation)
    void operation.finally(() => this.#running.delete(operation))
  }

  /** Resolves when nothing is running any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
