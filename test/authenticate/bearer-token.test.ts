import { describe, expect, it } from 'vitest'
import { readAuthorization, readBearerToken } from '../../lib/authenticate/bearer-token.js'

function read(...values: string[]): string | undefined {
  return readBearerToken({ rawHeaders: values.flatMap(value => ['Authorization', value]) })
}

const invalidRequest = expect.objectContaining({ code: 'invalid_request', status: 400 })
const missingToken = expect.objectContaining({ code: 'missing_token', status: 401 })

describe('the token of a request', () => {
  it('follows the scheme, whatever its case, and one or more spaces', () => {
    for (const scheme of ['Bearer ', 'bearer ', 'BEARER ', 'Bearer  ', 'bEaReR     ']) {
      expect(read(`${scheme}a.b.c`)).toBe('a.b.c')
    }
  })

  it('has the characters of a token68', () => {
    expect(read('Bearer azAZ09-._~+/==')).toBe('azAZ09-._~+/==')
  })

  it('is found whatever the case of the header, and only under its name', () => {
    const rawHeaders = [
      'X-Authorization',
      'Bearer x',
      'aUTHORIZATION',
      'Bearer a',
      'Authorizatiom',
      'Bearer y',
    ]
    expect(readBearerToken({ rawHeaders })).toBe('a')
    expect(readBearerToken({ rawHeaders: ['Host', 'Authorization', 'X', 'Bearer x'] })).toBeUndefined()
  })

  it('is undefined where there is no Authorization header', () => {
    expect(readBearerToken({ rawHeaders: [] })).toBeUndefined()
  })

  it.each([
    '',
    'Basic YTpi',
    'Digest username="Bearer a"',
    'Bearertoken',
    'BearerX a',
    'Bearer-MAC a',
    'Bear a',
  ])('is missing under another scheme: %j', header => {
    expect(() => read(header)).toThrow(missingToken)
  })

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer\ta.b.c',
    'Bearer \ta.b.c',
    'Bearer a.b.c\t',
    'Bearer a.b.c ',
    'Bearer a.b.c d',
    'Bearer a.b.c, Bearer d.e.f',
    'Bearer a.b.c,d',
    'Bearer, Bearer a.b.c',
    'Bearer "a.b.c"',
    'Bearer =',
    'Bearer a=b',
    'Bearer ä',
    'Bearer a\u00a0',
    'Bearer=a',
    'Bearer: a',
  ])('is malformed: %j', header => {
    expect(() => read(header)).toThrow(invalidRequest)
  })

  it.each([
    ['Bearer a', 'Bearer a'],
    ['Bearer a', 'Bearer b'],
    ['Basic YTpi', 'Bearer a'],
    ['', ''],
  ])('is not looked for in two headers: %j, %j', (first, second) => {
    expect(() => read(first, second)).toThrow(invalidRequest)
    expect(() =>
      readAuthorization({ rawHeaders: ['authorization', first, 'Authorization', second] }),
    ).toThrow(invalidRequest)
  })

  it('is read in a time that grows with the length of the header', () => {
    const time = (header: string) => {
      const began = performance.now()
      expect(() => read(header)).toThrow()
      return performance.now() - began
    }
    for (const run of ['Bearer ', ' ', 'a', '=', 'a=', '\t', ', ']) {
      const header = `Bearer ${run.repeat(16_384 / run.length)}!`
      expect(Math.min(time(header), time(header), time(header)), run).toBeLessThan(20)
    }
  })
})
