import { describe, expect, it } from 'vitest'
import { describeError } from '../../lib/util/describe-error.js'
import { ODD_THROWS } from '../support/odd-throws.js'

const asIs = (text: string) => text

describe('the description of an error', () => {
  it('has the messages and stacks of the error and its causes', () => {
    const { name, message, stack } = describeError(
      new TypeError('outer', { cause: new RangeError('inner') }),
      asIs,
    )
    expect({ name, message }).toEqual({ name: 'TypeError', message: 'outer Caused by RangeError: inner' })
    expect(stack).toMatch(/^TypeError: outer\n\s+at [^]*\nCaused by RangeError: inner\n\s+at /)
  })

  it('is redacted in each part, also where a message looks like a stack', () => {
    const error = new Error('no\n    at secret (secret.js)', { cause: 'secret' })
    const description = describeError(error, text => text.replaceAll('secret', '***'))
    expect(JSON.stringify(description)).not.toContain('secret')
  })

  it('of an error without a message has its code', () => {
    const error = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
    expect(describeError(error, asIs).message).toBe('ECONNREFUSED')
  })

  it('ends for causes in a circle, and for a long chain', () => {
    const first = new Error('first')
    first.cause = new Error('second', { cause: first })
    expect(describeError(first, asIs).message).toBe('first Caused by Error: second')
    let chain = new Error('0')
    for (let i = 1; i < 100; i++) chain = new Error(String(i), { cause: chain })
    expect(describeError(chain, asIs).message.split('Caused by')).toHaveLength(5)
  })

  it('cuts a long message', () => {
    expect(describeError(new Error('x'.repeat(100_000)), asIs).stack.length).toBeLessThan(10_000)
  })

  it.each(ODD_THROWS)('never throws: $what', ({ thrown }) => {
    expect(describeError(thrown, asIs)).toEqual({
      name: expect.any(String),
      message: expect.any(String),
      stack: expect.any(String),
    })
  })
})
