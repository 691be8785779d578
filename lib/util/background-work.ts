/**
 * Operations that no answer waits for. `close()` waits for them, because the app closes its MongoDB client next, and would
 * interrupt them.
 */
export class BackgroundWork {
  readonly #running = new Set<Promise<void>>()

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
