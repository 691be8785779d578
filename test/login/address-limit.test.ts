import { describe, expect, it } from 'vitest'
import { AddressLimit } from '../../lib/login/address-limit.js'
import { createManualClock } from '../support/clock.js'

function start(failures = 3, windowMs = 1_000) {
  const clock = createManualClock()
  const limit = new AddressLimit({ failures, windowMs }, clock)
  const fail = (address: string | undefined, times = 1): unknown => {
    let last: unknown
    for (let i = 0; i < times; i++) last = limit.count(address)
    return typeof last === 'number' ? last : 'counted'
  }
  return { clock, limit, fail }
}

describe('the failures of an address', () => {
  it('are counted in a window that begins with the first one', () => {
    const { clock, fail } = start()
    expect(fail('203.0.113.7', 2)).toBe('counted')
    clock.advance(600)
    expect(fail('203.0.113.7')).toBe('counted')
    expect(fail('203.0.113.7')).toBe(400)
    clock.advance(399)
    expect(fail('203.0.113.7')).toBe(1)
    clock.advance(1)
    expect(fail('203.0.113.7', 3)).toBe('counted')
    expect(fail('203.0.113.7')).toBe(1_000)
  })

  it('are its own, and those of its /64 in IPv6', () => {
    const { fail } = start()
    expect(fail('203.0.113.7', 4)).toBe(1_000)
    expect(fail('203.0.113.8')).toBe('counted')
    expect(fail('2001:db8::1', 2)).toBe('counted')
    expect(fail('2001:db8::2', 2)).toBe(1_000)
    expect(fail('2001:db8:0:1::1')).toBe('counted')
  })

  it('are not counted for clients without an address, which would all share one limit', () => {
    const { fail } = start()
    expect(fail(undefined, 10)).toBe('counted')
    expect(fail('', 10)).toBe('counted')
  })

  it('can be taken back', () => {
    const { limit, fail } = start(1)
    const takeBack = limit.count('203.0.113.7')
    expect(fail('203.0.113.7')).toBe(1_000)
    if (typeof takeBack !== 'number') takeBack()
    expect(fail('203.0.113.7')).toBe('counted')
  })

  it('do not depend on the wall clock', () => {
    const { clock, fail } = start()
    fail('203.0.113.7', 3)
    clock.setWall(clock.now() + 3_600_000)
    expect(fail('203.0.113.7')).toBe(1_000)
  })

  it('are remembered for a limited number of addresses', () => {
    const { fail } = start(1)
    fail('first')
    expect(fail('first')).toBe(1_000)
    for (let i = 0; i < 10_000; i++) fail(`address ${i}`)
    expect(fail('first')).toBe('counted')
    expect(fail('address 9999')).toBe(1_000)
  })
})
