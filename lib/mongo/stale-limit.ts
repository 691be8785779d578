import type { Clock } from '../util/clock.js'

/** A moment on both clocks. The monotonic clock stands still while a machine sleeps; the wall clock can be set back. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/** Bounds how long data may be served after its change stream was last known to be current. */
export interface StaleLimit {
  now: () => Moment
  /** Milliseconds since a moment: the longer of the times on the two clocks. */
  elapsedMs: (since: Moment) => number
  start: () => void
  /** Reports that all changes before this moment have been handled. */
  currentAsOf: (moment: Moment) => void
  /** Reports that everything that was cached before now has been dropped. */
  dropped: () => void
  /** Calls `drop` if the limit has passed. Call it after a pause, because a timer does not notice that a machine slept. */
  check: () => void
  /** Whether the stream was current within the limit. False until it was current once. */
  isWithin: () => boolean
  stop: () => void
}

/**
 * Creates the limit. It calls `drop` when the stream has not been current for `timeoutMs`, and then every `timeoutMs`.
 * Opening the stream again does not restart the time: only handled events do, or an answer without events.
 */
export function createStaleLimit(timeoutMs: number, clock: Clock, drop: () => void): StaleLimit {
  let currentAt: Moment | undefined
  /** Changes since this moment may be missing from the data that is served now. */
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
      if (timer !== undefined) return
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
