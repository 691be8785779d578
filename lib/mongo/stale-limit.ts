import type { Clock } from '../clock.js'

/** An instant on both clocks. The monotonic clock stands still while a machine sleeps, and the wall clock can be put back. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** Bounds how long data may be served after its change stream was last known to be current. */
export interface StaleLimit {
  now: () => Moment
  /** Milliseconds since a moment: the larger of what the two clocks say. */
  elapsedMs: (since: Moment) => number
  start: () => void
  /** Everything that changed before this moment has been handled. */
  currentAsOf: (moment: Moment) => void
  /** Everything that was cached before now has been dropped. */
  dropped: () => void
  /** Drops what is too old already. A timer does not notice that the machine has slept. */
  check: () => void
  /** Whether the stream was current within the limit. False until it was current once. */
  isWithin: () => boolean
  stop: () => void
}

/**
 * Creates the limit. `drop` is called when the stream has not been current for `timeoutMs`, and every `timeoutMs` from then
 * on. Reopening the stream moves nothing: only events that were handled, or the answer that there are none, do.
 */
export function createStaleLimit(timeoutMs: number, clock: Clock, drop: () => void): StaleLimit {
  let currentAt: Moment | undefined
  /** What is served now may have changed since then. */
  let oldest: Moment | undefined
  let timer: NodeJS.Timeout | undefined

  const now = (): Moment => ({ wall: clock.now(), monotonic: clock.monotonic() })

  function elapsedMs(since: Moment): number {
    return Math.max(clock.now() - since.wall, clock.monotonic() - since.monotonic)
  }

  function moveTo(moment: Moment): void {
    if (oldest && elapsedMs(oldest) < elapsedMs(moment)) return
    oldest = moment
    if (timer === undefined) return
    clearInterval(timer)
    arm(Math.max(1, timeoutMs - elapsedMs(moment)))
  }

  function arm(ms: number): void {
    timer = setInterval(expire, ms).unref()
  }

  function expire(): void {
    moveTo(now())
    drop()
  }

  return {
    now,
    elapsedMs,
    start() {
      oldest = now()
      arm(timeoutMs)
    },
    currentAsOf(moment) {
      currentAt = moment
      moveTo(moment)
    },
    dropped() {
      moveTo(now())
    },
    check() {
      if (oldest && elapsedMs(oldest) >= timeoutMs) expire()
    },
    isWithin: () => currentAt !== undefined && elapsedMs(currentAt) < timeoutMs,
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
