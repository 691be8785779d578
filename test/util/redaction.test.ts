import { describe, expect, it } from 'vitest'
import { createRedaction, textsIn } from '../../lib/util/redaction.js'

describe('a redacted text', () => {
  it.each([
    ['the value', ['hunter2'], 'x hunter2y', 'x [removed]y'],
    ['characters with a meaning in expressions', ['a.b(*'], 'a.b(* acb(*', '[removed] acb(*'],
    ['white space around the value', [' hunter2\n'], '"hunter2"', '"[removed]"'],
    ['the value in JSON', ['say "hi"'], '{"p":"say \\"hi\\""}', '{"p":"[removed]"}'],
    ['the value in an address', ['a b&c'], '?p=a%20b%26c', '?p=[removed]'],
    ['another case', ['Alice@Example.com'], 'alice@example.com', '[removed]'],
    ['another Unicode form', ['caf\u00e9'], 'cafe\u0301', '[removed]'],
    ['a value that is a part of another', ['secret', 'secret-key'], 'secret-key', '[removed]'],
    ['a value that is a part of the mark', ['removed', 'secret'], 'secret', '[removed]'],
    ['a short value that is a word', ['pw', '1'], 'pw: pwd 11 1', '[removed]: pwd 11 [removed]'],
    ['a token of any request', [], 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln', '[removed]'],
    ['the password of an address', [], 'mongodb://me:p%40ss@host/db', 'mongodb://[removed]@host/db'],
    ['no empty value', ['', ' '], 'a b', 'a b'],
  ])('has no secret: %s', (_what, values, text, redacted) => {
    expect(createRedaction(values)(text)).toBe(redacted)
  })

  it('is removed whole if there are too many values to look for', () => {
    expect(createRedaction(Array.from({ length: 201 }, (_, i) => `value${i}`))('text')).toBe('[removed]')
  })
})

describe('the texts in a value', () => {
  it('are those of every depth', () => {
    let deep: unknown = 'deep'
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    expect(textsIn({ a: 'x', b: [1, 2n, null, true], deep })).toEqual(
      expect.arrayContaining(['x', '1', '2', 'deep']),
    )
  })

  it('end where there are too many', () => {
    expect(textsIn(Array.from({ length: 100_000 }, String)).length).toBe(201)
  })
})
