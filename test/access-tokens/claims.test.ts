import { describe, expect, it } from 'vitest'
import { expiresAtMs, verifyClaims } from '../../lib/access-tokens/claims.js'
import type { ClaimExpectations } from '../../lib/access-tokens/claims.js'
import { AUDIENCE, ISSUER, validClaims } from '../support/user-data.js'

const NOW = 1_800_000_000_000
const SECOND = 1_800_000_000

function verify(
  claims: Record<string, unknown>,
  {
    toleranceSeconds = 0,
    now = NOW,
    audience = [AUDIENCE],
    profile = 'rfc9068',
  }: Partial<ClaimExpectations> & { toleranceSeconds?: number; now?: number } = {},
) {
  const expected: ClaimExpectations = {
    issuer: ISSUER,
    audience,
    clockToleranceMs: toleranceSeconds * 1000,
    profile,
  }
  return verifyClaims({ ...validClaims('alice', NOW), ...claims }, expected, now)
}

function expectRefused(claims: Record<string, unknown>, message: string | RegExp, options = {}): void {
  const refused = () => verify(claims, options)
  expect(refused, JSON.stringify(claims)).toThrow(message)
  expect(refused).toThrow(expect.objectContaining({ code: 'invalid_token', status: 401 }))
}

describe('exp', () => {
  it.each([0, 5, 300])('ends a token at the exact millisecond, after %i s of tolerance', toleranceSeconds => {
    const end = (SECOND + toleranceSeconds) * 1000
    expect(verify({ exp: SECOND }, { toleranceSeconds, now: end - 1 }).exp).toBe(SECOND)
    expectRefused({ exp: SECOND }, 'has expired', { toleranceSeconds, now: end })
    expectRefused({ exp: SECOND }, 'has expired', { toleranceSeconds, now: end + 1 })
  })

  it('may have a fraction', () => {
    expect(verify({ exp: SECOND + 0.5 }, { now: NOW + 499 }).exp).toBe(SECOND + 0.5)
    expectRefused({ exp: SECOND + 0.5 }, 'has expired', { now: NOW + 500 })
  })

  it.each(['9999999999', true, NaN, Infinity, [], {}, [9_999_999_999]])(
    'must be a number: %j is refused',
    exp => {
      expectRefused({ exp }, 'has a malformed exp')
    },
  )

  it.each([0, -1, -1e300, 1.5])('in the past is refused: %d', exp => {
    expectRefused({ exp }, 'has expired')
  })

  it('is the time at which a snapshot ends, including the tolerance', () => {
    expect(expiresAtMs(verify({ exp: SECOND + 1 }), 5000)).toBe(NOW + 6000)
  })
})

describe('nbf', () => {
  it.each([0, 5, 300])(
    'makes a token valid from the exact millisecond, less %i s of tolerance',
    toleranceSeconds => {
      const start = (SECOND - toleranceSeconds) * 1000
      expect(verify({ nbf: SECOND }, { toleranceSeconds, now: start }).nbf).toBe(SECOND)
      expectRefused({ nbf: SECOND }, 'is not valid yet', { toleranceSeconds, now: start - 1 })
    },
  )

  it('may have a fraction', () => {
    expect(verify({ nbf: SECOND + 0.5 }, { now: NOW + 500 }).nbf).toBe(SECOND + 0.5)
    expectRefused({ nbf: SECOND + 0.5 }, 'is not valid yet', { now: NOW + 499 })
  })

  it('may be missing', () => {
    expect(verify({ nbf: undefined }).nbf).toBeUndefined()
  })

  it.each(['1', true, null, NaN, {}])('must be a number: %j is refused', nbf => {
    expectRefused({ nbf }, 'has a malformed nbf')
  })
})

describe('iss', () => {
  it.each(['', `${ISSUER}/`, ISSUER.toUpperCase(), [ISSUER], 'https://other.example'])(
    'is compared code point by code point: %j is refused',
    iss => {
      expectRefused({ iss }, 'is from another issuer')
    },
  )
})

describe('aud', () => {
  it.each([
    '',
    [],
    {},
    [[AUDIENCE]],
    { 0: AUDIENCE, length: 1 },
    `${AUDIENCE}/`,
    AUDIENCE.slice(0, -1),
    AUDIENCE.toUpperCase(),
    ['https://other.example'],
  ])('must name this API: %j does not', aud => {
    expectRefused({ aud }, 'is meant for another audience')
  })

  it('may name other audiences too', () => {
    const aud = ['https://other.example', AUDIENCE]
    expect(verify({ aud }).aud).toEqual(aud)
  })

  it('may be any of several names of this API', () => {
    const audience = ['https://one.example', 'https://two.example']
    expect(verify({ aud: audience[1] }, { audience }).aud).toBe(audience[1])
    expectRefused({ aud: AUDIENCE }, 'another audience', { audience })
  })

  it('in another Unicode form is refused', () => {
    const audience = ['caf\u00e9']
    expectRefused({ aud: 'cafe\u0301' }, 'another audience', { audience })
  })
})

describe('the other claims', () => {
  it.each(['', 42, true, [], ['alice'], {}, { $ne: null }, 'a'.repeat(256)])(
    'sub must be a text of 1 to 255 characters: %j is refused',
    sub => {
      expectRefused({ sub }, 'has a malformed sub')
    },
  )

  it.each(['client_id', 'jti'])('%s must be a text', claim => {
    for (const value of ['', 1, {}]) expectRefused({ [claim]: value }, `has a malformed ${claim}`)
  })

  it('iat must be a number', () => {
    for (const iat of ['1', {}]) expectRefused({ iat }, 'has a malformed iat')
  })

  it('sid may be missing, but must be a text', () => {
    expect(verify({ sid: 'session' }).sid).toBe('session')
    for (const sid of [null, '', 1, {}]) expectRefused({ sid }, 'has a malformed sid')
  })

  it('a token with cnf is refused, because it is not a bearer token (RFC 7800)', () => {
    for (const cnf of [{ jkt: 'x' }, null, {}]) expectRefused({ cnf }, 'bound to a key')
  })

  it('are returned unchanged', () => {
    expect(verify({ scope: 'read', nested: { a: [1] } })).toMatchObject({ scope: 'read', nested: { a: [1] } })
  })
})

describe('the claims that must be there', () => {
  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])(
    'profile rfc9068: %s, and the refusal says that it is missing (RFC 9068 2.2)',
    claim => {
      for (const value of [undefined, null])
        expectRefused({ [claim]: value }, `The access token has no ${claim}.`)
    },
  )

  it.each(['iss', 'exp', 'aud', 'sub', 'iat'])(
    'profile jwt: %s, and the refusal says that it is missing',
    claim => {
      for (const value of [undefined, null]) {
        expectRefused({ [claim]: value }, `The access token has no ${claim}.`, { profile: 'jwt' })
      }
    },
  )

  it('profile jwt: neither client_id nor jti', () => {
    expect(verify({ client_id: undefined, jti: undefined }, { profile: 'jwt' }).sub).toBe('alice')
  })
})
