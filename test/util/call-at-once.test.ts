import { describe, expect, it } from 'vitest'
import { CustomUserDataError } from '../../lib/errors.js'
import { callAtOnce, isThenable } from '../../lib/util/call-at-once.js'

describe('a synchronous callback of the team', () => {
  it('gives its value', () => {
    expect(callAtOnce('account', () => 7)).toBe(7)
  })

  it('is refused with a message that names it if it returns a promise', () => {
    expect(() => callAtOnce('account', () => Promise.resolve(7))).toThrow(
      'account returned a promise, which is not awaited. The callback must not be async: return the value itself.',
    )
  })

  it('causes no unhandled rejection if its promise rejects', async () => {
    expect(() => callAtOnce('account', () => Promise.reject(new Error('later')))).toThrow(CustomUserDataError)
    // An unhandled rejection would fail this file.
    await new Promise(resolve => setImmediate(resolve))
  })

  it('is callback_failed if it throws, with what it threw as the cause', () => {
    const thrown = new Error('private')
    const call = () =>
      callAtOnce('account', () => {
        throw thrown
      })
    expect(call).toThrow(expect.objectContaining({ code: 'callback_failed', cause: thrown }))
    expect(call).toThrow('account failed.')
  })

  it('is callback_failed if its value cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(() => callAtOnce('account', () => proxy)).toThrow(
      expect.objectContaining({ code: 'callback_failed' }),
    )
  })

  it('may be refused with another error that the caller chooses', () => {
    const toRefusal = (name: string) => new CustomUserDataError('attach_misconfigured', `${name} is async.`)
    expect(() => callAtOnce('userId', () => Promise.resolve('a'), toRefusal)).toThrow('userId is async.')
  })
})

describe('a thenable', () => {
  it('is anything with a then method', () => {
    expect(isThenable(Promise.resolve())).toBe(true)
    expect(isThenable({ then: () => undefined })).toBe(true)
    expect(isThenable(Object.assign(() => 1, { then: () => undefined }))).toBe(true)
    expect(isThenable({ then: true })).toBe(false)
    expect(isThenable(null)).toBe(false)
  })
})
