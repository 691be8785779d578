import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createStaleLimit } from '../../lib/mongo/stale-limit.js'
import type { StaleLimit } from '../../lib/mongo/stale-limit.js'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'

const TIMEOUT_MS = 60_000

let clock: ManualClock
let limit: StaleLimit
let drops: number
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  clock = createManualClock()
  drops = 0
  limit = createStaleLimit(TIMEOUT_MS, clock, () => drops++)
  limit.start()
})
afterEach(() => {
  limit.stop()
  vi.useRealTimers()
})

function pass(ms: number): void {
  clock.advance(ms)
  vi.advanceTimersByTime(ms)
}

describe('data behind a change stream', () => {
  it('is dropped when the stream was not current for the time-out, and again after each further time-out', () => {
    limit.currentAsOf(limit.now())
    pass(TIMEOUT_MS - 1)
    expect(drops).toBe(0)
    pass(1)
    expect(drops).toBe(1)
    pass(2 * TIMEOUT_MS)
    expect(drops).toBe(3)
  })

  it('is dropped if the stream was never current', () => {
    pass(TIMEOUT_MS)
    expect(drops).toBe(1)
  })

  it('stays usable while the stream is current', () => {
    for (let n = 0; n < 10; n++) {
      pass(TIMEOUT_MS - 1)
      limit.currentAsOf(limit.now())
    }
    expect(drops).toBe(0)
  })

  it('is as old as the command, even if the answer came late', () => {
    const askedAt = limit.now()
    pass(20_000)
    limit.currentAsOf(askedAt)
    pass(TIMEOUT_MS - 20_000)
    expect(drops).toBe(1)
  })

  it('is not dropped sooner because of an answer from before the last drop', () => {
    const askedAt = limit.now()
    pass(TIMEOUT_MS)
    limit.currentAsOf(askedAt)
    expect(drops).toBe(1)
    pass(TIMEOUT_MS - 1)
    expect(drops).toBe(1)
    pass(1)
    expect(drops).toBe(2)
  })

  it('is dropped at the next check after the machine has slept, because timers do not notice', () => {
    limit.currentAsOf(limit.now())
    clock.setWall(clock.now() + TIMEOUT_MS)
    limit.check()
    expect(drops).toBe(1)
    limit.check()
    expect(drops).toBe(1)
  })

  it('is not checked any more after stop()', () => {
    limit.stop()
    limit.dropped()
    pass(10 * TIMEOUT_MS)
    expect(drops).toBe(0)
  })
})

describe('whether changes are known', () => {
  it('is true from the first time the stream was current, for the time-out', () => {
    expect(limit.isWithin()).toBe(false)
    limit.dropped()
    expect(limit.isWithin()).toBe(false)
    limit.currentAsOf(limit.now())
    pass(TIMEOUT_MS - 1)
    expect(limit.isWithin()).toBe(true)
    pass(1)
    expect(limit.isWithin()).toBe(false)
    limit.currentAsOf(limit.now())
    expect(limit.isWithin()).toBe(true)
  })

  it('is false after the machine has slept', () => {
    limit.currentAsOf(limit.now())
    clock.setWall(clock.now() + TIMEOUT_MS)
    expect(limit.isWithin()).toBe(false)
  })
})
