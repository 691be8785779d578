import type { Clock } from './clock.js'

/** Says when something that failed may be tried again. The pause doubles with each failure. */
export class BackOff {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #firstMs: number
  readonly #longestMs: number
  #failures = 0
  #until = -Infinity

  constructor(
    clock: Pick<Clock, 'monotonic'>,
    { firstMs, longestMs }: { firstMs: number; longestMs: number },
  ) {
    this.#clock = clock
    this.#firstMs = firstMs
    this.#longestMs = longestMs
  }

  /** Counts a failure and begins the next pause. */
  failed(): void {
    this.#until = this.#clock.monotonic() + Math.min(this.#longestMs, this.#firstMs * 2 ** this.#failures++)
  }

  /** Ends the pause. The next failure begins with the first pause again. */
  succeeded(): void {
    this.#failures = 0
    this.#until = -Infinity
  }

  /** Whether a pause is running. */
  get isWaiting(): boolean {
    return this.#clock.monotonic() < this.#until
  }
}
