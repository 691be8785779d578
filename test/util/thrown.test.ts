import { describe, expect, it } from 'vitest'
import { describeThrown, isThrown, toError } from '../../lib/util/thrown.js'

class OwnError extends Error {}

const UNSHOWN = 'a value of the type object that cannot be shown as a text'

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe('a thrown value', () => {
  it('stays the same error if it is one', () => {
    const error = new OwnError('away')
    expect(toError(error)).toBe(error)
  })

  it.each<[string, () => unknown, string]>([
    ['a text', () => 'away', 'away'],
    ['undefined', () => undefined, 'undefined'],
    ['a symbol', () => Symbol('s'), 'Symbol(s)'],
    ['an object without toString', () => Object.create(null) as unknown, UNSHOWN],
    ['a revoked proxy', revoked, UNSHOWN],
  ])('becomes an error with its text if it is %s', (_name, create, message) => {
    expect(toError(create()).message).toBe(message)
    expect(describeThrown(create())).toBe(message)
  })

  it('is recognised by its class, and a revoked proxy is not an error of any class', () => {
    expect(isThrown(OwnError, new OwnError('away'))).toBe(true)
    expect(isThrown(OwnError, new Error('away'))).toBe(false)
    expect(isThrown(OwnError, revoked())).toBe(false)
  })
})
