import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  compareWithRevocation,
  elapsedSince,
  startLogin,
  toLoginStart,
} from '../../lib/sessions/login-start.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the time since a login began', () => {
  it('lies between two bounds that allow for clocks with different rates', () => {
    const start = startLogin()
    vi.spyOn(performance, 'now').mockReturnValue(start.monotonicMs + 1_000)
    vi.spyOn(Date, 'now').mockReturnValue(start.wallMs + 1_000)
    const { atLeast, atMost } = elapsedSince(start)
    expect(atLeast).toBeCloseTo(999, 6)
    expect(atMost).toBeCloseTo(1_001, 6)
  })

  it('is at most the time of the wall clock if the machine slept, and at least that of the monotonic clock', () => {
    const start = startLogin()
    vi.spyOn(performance, 'now').mockReturnValue(start.monotonicMs + 10)
    vi.spyOn(Date, 'now').mockReturnValue(start.wallMs + 3_600_000)
    const { atLeast, atMost } = elapsedSince(start)
    expect(atLeast).toBeLessThan(10)
    expect(atMost).toBeGreaterThan(3_600_000)
  })

  it('is not shortened by a wall clock that was set back', () => {
    const start = startLogin()
    vi.spyOn(performance, 'now').mockReturnValue(start.monotonicMs + 10)
    vi.spyOn(Date, 'now').mockReturnValue(start.wallMs - 3_600_000)
    const { atLeast, atMost } = elapsedSince(start)
    expect(atLeast).toBeGreaterThan(9)
    expect(atMost).toBeGreaterThanOrEqual(10)
  })
})

describe('the option startedAt', () => {
  it('is now by default', () => {
    const now = performance.now()
    expect(toLoginStart(undefined).monotonicMs).toBeGreaterThanOrEqual(now)
  })

  it('is the value of performance.now(), and the wall clock’s time is computed from it', () => {
    const startedAt = performance.now() / 2
    const { monotonicMs, wallMs } = toLoginStart(startedAt)
    expect(monotonicMs).toBe(startedAt)
    expect(Math.abs(Date.now() - wallMs - (performance.now() - startedAt))).toBeLessThan(1_000)
  })

  it.each([NaN, Infinity, -Infinity, -1, Date.now(), '1', null, {}, new Date(), 1n, true])(
    'is refused if it is not a time between the start of the process and now: %s',
    startedAt => {
      expect(() => toLoginStart(startedAt)).toThrow(TypeError)
      expect(() => toLoginStart(startedAt)).toThrow(/startedAt.*performance\.now\(\)/)
    },
  )
})

describe('a login and a revocation', () => {
  const at = 1_000_000
  const compare = (serverTime: number, beforeMs: number, afterMs: number) =>
    compareWithRevocation({ revokedAt: at, serverTime, beforeMs, afterMs })

  it('are compared only by the server’s clock, to the millisecond', () => {
    expect(compare(at + 11, 5, 10)).toBe('after')
    expect(compare(at + 11, 5, 10.1)).toBe('unclear')
    expect(compare(at + 11, 10.9, 12)).toBe('unclear')
    expect(compare(at + 11, 11, 12)).toBe('before')
  })

  /** Every order of the true times, in steps of a fifth of a millisecond, as dates that are rounded down show them. */
  it('are never compared wrongly because of rounding', () => {
    const STEP = 0.2
    const outcomes = new Set<string>()
    for (let revoked = 0; revoked < 2; revoked += STEP) {
      for (let began = -3; began < 8; began += STEP) {
        for (let toServer = 0; toServer < 2; toServer += STEP) {
          const elapsed = Math.max(0, 4 - began)
          const trueServerTime = began + elapsed + toServer
          const outcome = compareWithRevocation({
            revokedAt: at + Math.floor(revoked),
            serverTime: at + Math.floor(trueServerTime),
            beforeMs: elapsed,
            afterMs: elapsed + toServer + 0.3,
          })
          outcomes.add(outcome)
          if (began <= revoked) expect(outcome).not.toBe('after')
          // A login after the answer begins when the server's clock has shown two more milliseconds.
          if (began >= Math.floor(revoked) + 2) expect(outcome).not.toBe('before')
        }
      }
    }
    expect(outcomes).toEqual(new Set(['before', 'after', 'unclear']))
  })
})
