import { describe, expect, it } from 'vitest'
import { readCookies } from '../../lib/util/cookies.js'

describe('the cookies of a name', () => {
  it.each([
    ['token=a', ['a']],
    ['other=x; token=a; token=b', ['a', 'b']],
    [' \t token \t = \t a b \t ;', ['a b']],
    ['\u00a0token=a', []],
    ['token\ufeff=a', []],
    ['token=\u00a0a\u00a0', ['\u00a0a\u00a0']],
    ['TOKEN=a; tokens=b; token', []],
    ['token=', ['']],
    ['token=a=b==', ['a=b==']],
    ['', []],
  ])('of %j are %j: only a space and a tab are stripped', (header, values) => {
    expect(readCookies(header, 'token')).toEqual(values)
  })

  it('are none if there is no header', () => {
    expect(readCookies(undefined, 'token')).toEqual([])
  })

  it('are read in linear time from runs of spaces', () => {
    // 40,000 spaces would take a regular expression for their end 800 million steps, and this test its time limit.
    const spaces = ' '.repeat(40_000)
    const header = `token=a${spaces}b${spaces}c;`.repeat(8)
    expect(readCookies(header, 'token')).toHaveLength(8)
  })
})
