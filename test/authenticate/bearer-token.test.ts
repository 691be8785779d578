import { describe, expect, it } from 'vitest'
import { readAuthorization, readBearerToken, requireTokenForm } from '../../lib/authenticate/bearer-token.js'

/** Reads the token of a request that a client sent with these Authorization headers, as Node makes it. */
function read(...values: string[]): string | undefined {
  const rawHeaders = values.flatMap(value => ['Authorization', value])
  const [authorization] = values
  const token = readBearerToken({ headers: { authorization }, rawHeaders })
  if (token !== undefined) requireTokenForm(token)
  return token
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

  it('is undefined without an Authorization header', () => {
    for (const request of [{}, { headers: {} }, { rawHeaders: [] }, { headers: {}, rawHeaders: [] }]) {
      expect(readBearerToken(request)).toBeUndefined()
    }
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
    for (const authorization of [first, second, `${first}, ${second}`]) {
      const rawHeaders = ['authorization', first, 'Host', 'test', 'aUTHORIZATION', second]
      expect(() => readAuthorization({ headers: { authorization }, rawHeaders })).toThrow(invalidRequest)
    }
  })

  it('is the token that middleware has set, even if the client sent another', () => {
    const headers = { authorization: 'Bearer set' }
    for (const rawHeaders of [
      undefined,
      [],
      ['Authorization', 'Bearer a'],
      ['Authorization', 'Bearer a', 'Authorization', 'Bearer b'],
      ['X-Authorization', 'Bearer set', 'Authorization', 'Bearer a', 'Authorizatiom', 'Bearer set'],
    ]) {
      expect(readBearerToken({ headers, ...(rawHeaders && { rawHeaders }) })).toBe('set')
    }
  })

  it('is undefined if middleware has deleted the header', () => {
    const rawHeaders = ['Authorization', 'Bearer a']
    expect(readBearerToken({ headers: {}, rawHeaders })).toBeUndefined()
    expect(
      readBearerToken({ headers: {}, rawHeaders: [...rawHeaders, 'Authorization', 'Bearer b'] }),
    ).toBeUndefined()
  })

  it('is the only value of a list, as adapters make it', () => {
    expect(readBearerToken({ headers: { authorization: ['Bearer a'] } })).toBe('a')
    const rawHeaders = ['Authorization', 'Bearer a', 'Authorization', 'Bearer b']
    expect(() => readBearerToken({ headers: { authorization: ['Bearer a'] }, rawHeaders })).toThrow(
      invalidRequest as never,
    )
  })

  it.each([null, 'Authorization', 7, { 0: 'Authorization' }])(
    'is read from headers if rawHeaders is not a list: %j',
    rawHeaders => {
      const request = { headers: { authorization: 'Bearer a' }, rawHeaders: rawHeaders as never }
      expect(readBearerToken(request)).toBe('a')
    },
  )

  it.each([[['Bearer a', 'Bearer b']], [[]], [null], [42], [{}]])(
    'is not read from a header that is not text: %j',
    authorization => {
      expect(() => readBearerToken({ headers: { authorization } })).toThrow(invalidRequest)
    },
  )

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
