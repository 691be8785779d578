import { elapsedMs, momentOf } from '../util/clock.js'
import type { Clock, Moment } from '../util/clock.js'

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

  const now = (): Moment => momentOf(clock)
  const elapsedSince = (moment: Moment): number => elapsedMs(clock, moment)

  function moveTo(moment: Moment): void {
    if (oldest && elapsedSince(oldest) < elapsedSince(moment)) return
    oldest = moment
    if (timer === undefined) return
    clearInterval(timer)
    arm(Math.max(1, timeoutMs - elapsedSince(moment)))
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
    elapsedMs: elapsedSince,
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
      if (oldest && elapsedSince(oldest) >= timeoutMs) expire()
    },
    isWithin: () => currentAt !== undefined && elapsedSince(currentAt) < timeoutMs,
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
