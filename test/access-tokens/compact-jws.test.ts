import { describe, expect, it } from 'vitest'
import { parseClaimsSet, parseCompactJws } from '../../lib/access-tokens/compact-jws.js'
import { CustomUserDataError } from '../../lib/errors.js'

const HEADER = { alg: 'HS256', typ: 'at+jwt', kid: 'a' }
/** 32 bytes: the last of its characters has two unused bits. */
const SIGNATURE = Buffer.alloc(32, 7).toString('base64url')

function compose(
  header: unknown = HEADER,
  payload: unknown = { sub: 'alice' },
  signature = SIGNATURE,
): string {
  return `${encode(header)}.${encode(payload)}.${signature}`
}

function encode(part: unknown): string {
  return Buffer.from(part instanceof Uint8Array ? part : JSON.stringify(part)).toString('base64url')
}

function refusal(token: string): unknown {
  try {
    parse(token)
  } catch (error) {
    return error
  }
  return undefined
}

/** As the verifier does it: the token, then the claims in its payload. */
function parse(token: string) {
  const { header, payload } = parseCompactJws(token)
  return { header, claims: parseClaimsSet(payload) }
}

function expectMalformed(token: string): void {
  const error = refusal(token)
  expect(error, token).toBeInstanceOf(CustomUserDataError)
  expect(error).toMatchObject({ code: 'invalid_token', message: 'The access token is malformed.' })
}

describe('a compact JWS', () => {
  it('is parsed into its header and its payload', () => {
    const token = compose({ ...HEADER, jku: 'https://attacker.example', jwk: {} }, { sub: 'älice' })
    expect(parse(token)).toEqual({ header: HEADER, claims: { sub: 'älice' } })
  })

  it('may have no kid', () => {
    expect(parseCompactJws(compose({ alg: 'RS256', typ: 'at+jwt' })).header.kid).toBeUndefined()
  })

  it('has its own header, independent of the token before it', () => {
    const headers = [HEADER, { ...HEADER, kid: 'b' }, HEADER, { alg: 'RS256', typ: 'JWT', kid: undefined }]
    for (const header of headers) expect(parse(compose(header)).header).toEqual(header)
    for (const bad of ['', '!', `${encode(HEADER)}=`, encode([]), encode({ ...HEADER, crit: [] })]) {
      expectMalformed(compose().replace(encode(HEADER), bad))
      expect(parse(compose()).header).toEqual(HEADER)
    }
  })

  it('has a header that cannot be changed for the next token', () => {
    const { header } = parseCompactJws(compose())
    expect(() => Object.assign(header, { alg: 'none' })).toThrow(TypeError)
    expect(parse(compose()).header).toEqual(HEADER)
  })

  it('keeps the last of two members with the same name', () => {
    const payload = Buffer.from('{"sub":"a","sub":"b"}')
    expect(parse(compose(HEADER, payload)).claims['sub']).toBe('b')
  })

  it('has three parts, none of them empty', () => {
    const [header, payload, signature] = compose().split('.') as [string, string, string]
    const wrong = ['', '.', '..', '....', header, `${header}.${payload}`, `${header}.${payload}.`]
    const more = [`.${payload}.${signature}`, `${header}..${signature}`, `${compose()}.`, `${compose()}.a.a`]
    for (const token of [...wrong, ...more]) expectMalformed(token)
  })

  it('is written in base64url alone: no padding, no white space, no foreign character', () => {
    for (const extra of ['=', '==', ' ', '\n', '\t', '+', '/', '%', 'ü', '\0']) {
      expectMalformed(compose() + extra)
      expectMalformed(extra + compose())
      expectMalformed(compose().replace('.', `${extra}.`))
    }
  })

  it('has one spelling: set bits after the last byte are refused', () => {
    expect(SIGNATURE.endsWith('c')).toBe(true)
    expectMalformed(`${compose().slice(0, -1)}d`)
    const [header, payload] = [encode({ ...HEADER, a: 1 }), encode({ sub: 'al' })]
    for (const part of [header, payload]) {
      const flipped = part.slice(0, -1) + String.fromCharCode(part.charCodeAt(part.length - 1) + 1)
      if (Buffer.from(part, 'base64url').equals(Buffer.from(flipped, 'base64url'))) {
        expectMalformed(compose().replace(/^[^.]+/, flipped))
      }
    }
  })

  it.each(['"text"', '[1]', 'null', '1', 'true', '', '{', '{} {}', '{"a":1,}', "{'a':1}"])(
    'contains JSON objects: %s is refused as a header and as a payload',
    json => {
      expectMalformed(compose(Buffer.from(json)))
      expectMalformed(compose(HEADER, Buffer.from(json)))
    },
  )

  it.each([
    ['UTF-16', Buffer.from('{"sub":"alice"}', 'utf16le')],
    ['Latin-1', Buffer.from('{"sub":"\xe4"}', 'latin1')],
    ['overlong UTF-8', Buffer.from([...Buffer.from('{"sub":"'), 0xc0, 0xaf, ...Buffer.from('"}')])],
    ['a byte order mark', Buffer.from('\ufeff{"sub":"alice"}')],
  ])('is UTF-8: %s is refused', (_name, bytes) => {
    expectMalformed(compose(HEADER, bytes))
    expectMalformed(compose(bytes))
  })

  it.each([
    { crit: [] },
    { crit: ['exp'], exp: 1 },
    { crit: ['b64'], b64: false },
    { crit: 'exp' },
    { crit: null },
    { crit: ['alg'] },
    { b64: false },
    { b64: true },
  ])('has no critical extensions: %j is refused', extension => {
    expectMalformed(compose({ ...HEADER, ...extension }))
  })

  it.each([
    { alg: undefined },
    { alg: null },
    { alg: 0 },
    { alg: ['RS256'] },
    { typ: null },
    { typ: 1 },
    { kid: 1 },
    { kid: null },
    { kid: {} },
    { kid: 'k'.repeat(257) },
  ])('has texts in its header: %j is refused', member => {
    expectMalformed(compose({ ...HEADER, ...member }))
  })

  it('is refused with a message that does not quote it', () => {
    const error = refusal(compose(Buffer.from('{"secret'))) as Error
    expect(error.message).not.toContain('secret')
    expect(error.stack).not.toContain('secret')
  })
})

describe('claims', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}1${']'.repeat(depth)}`
  const tokenOf = (json: string): string => compose(HEADER, Buffer.from(json))

  it('may be as deep as a document of MongoDB in Extended JSON', () => {
    expect(parse(tokenOf(`{"user_data":${nested(102)}}`)).claims).toHaveProperty('user_data')
  })

  it.each([128, 2_900])('are refused beyond that, because they could exceed the stack: %i levels', depth => {
    expectMalformed(tokenOf(`{"a":${nested(depth)}}`))
  })
})
