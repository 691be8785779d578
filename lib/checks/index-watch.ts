import { createContextKeeper } from '../util/async-context.js'
import { BackOff } from '../util/back-off.js'
import type { Clock } from '../util/clock.js'
import type { SetUp } from './set-up.js'

/** How often the indexes are looked at while all are there. */
const LOOK_EVERY_MS = 60_000
/** Pauses between two attempts while an index is missing: each attempt may read the whole collection. */
const PAUSES = { firstMs: 1_000, longestMs: 300_000 }

/**
 * Looks for the indexes from time to time after the set-up, and makes each missing index again. Somebody may drop or hide an
 * index while the app runs, and loads from a large collection do not end in time without it.
 */
export class IndexWatch {
  readonly #setUp: Pick<SetUp, 'indexStates' | 'lookAgain'>
  readonly #clock: Clock
  readonly #pause: BackOff
  readonly #outsideRequests = createContextKeeper()
  #lookedAt: number
  #isLooking = false

  /** Create it when the set-up is done. */
  constructor(setUp: Pick<SetUp, 'indexStates' | 'lookAgain'>, clock: Clock) {
    this.#setUp = setUp
    this.#clock = clock
    this.#pause = new BackOff(clock, PAUSES)
    this.#lookedAt = clock.monotonic()
  }

  /** Whether a load has noticed that the index on the user id is gone. */
  get isUserIdIndexMissing(): boolean {
    return this.#setUp.indexStates().custom_data === 'missing'
  }

  /**
   * Looks in the background if it is time to, and does not wait, because building an index may take minutes. Failures are
   * tried again after growing pauses. If the index still cannot be made, the index gives the warning.
   *
   * @returns whether a look has begun
   */
  lookIfDue(onError: (error: unknown) => void): boolean {
    const isDue = this.isUserIdIndexMissing || this.#clock.monotonic() - this.#lookedAt >= LOOK_EVERY_MS
    if (!isDue || this.#isLooking || this.#pause.isWaiting) return false
    this.#isLooking = true
    this.#outsideRequests(() => this.#look()).then(
      () => (this.#isLooking = false),
      (error: unknown) => {
        this.#isLooking = false
        onError(error)
      },
    )
    return true
  }

  async #look(): Promise<void> {
    const wasMissing = this.isUserIdIndexMissing
    try {
      await this.#setUp.lookAgain()
    } catch (error) {
      this.#pause.failed()
      throw error
    } finally {
      this.#lookedAt = this.#clock.monotonic()
    }
    const isMissing = Object.values(this.#setUp.indexStates()).includes('missing')
    // An index that somebody drops again and again must not be built again and again, so a loss counts as a failure.
    if (wasMissing || isMissing) this.#pause.failed()
    else this.#pause.succeeded()
  }
}
