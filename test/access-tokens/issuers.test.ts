import { describe, expect, it } from 'vitest'
import { createIssuers } from '../../lib/access-tokens/issuers.js'
import type { Issuer } from '../../lib/access-tokens/issuers.js'
import type { AccessTokenClaims } from '../../lib/types.js'

const own = createIssuer('https://own.example.com', '')
const idp = createIssuer('https://idp.example.com', 'idp|')
const mail = createIssuer('https://mail.example.com', 'mail|', 'email')
const issuers = createIssuers([own, idp, mail])

describe('the issuer of a token', () => {
  it.each([own, idp, mail])('is the issuer in its payload', issuer => {
    expect(issuers.of({ iss: issuer.expectations.issuer })).toBe(issuer)
  })

  it.each([
    [''],
    [1],
    [['https://idp.example.com']],
    [{ toString: () => 'https://idp.example.com' }],
    ['https://idp.example.com/'],
    ['https://IDP.example.com'],
    ['https://idp.example.com '],
    ['__proto__'],
    ['constructor'],
  ])('is not found if the payload names %j', iss => {
    expect(() => issuers.of({ iss })).toThrow('The access token is from another issuer.')
  })
})

it.each([undefined, null])(
  'a payload whose iss is %j is refused, and the refusal says that it is missing',
  iss => {
    expect(() => issuers.of({ iss })).toThrow('The access token has no iss.')
  },
)

describe('the user of a token', () => {
  it('has the prefix of the issuer', () => {
    expect(issuers.toUserId(own, claims({ sub: 'alice' }))).toBe('alice')
    expect(issuers.toUserId(idp, claims({ sub: 'alice' }))).toBe('idp|alice')
  })

  it('is read from the claim that the option names', () => {
    expect(issuers.toUserId(mail, claims({ sub: '17', email: 'a@example.com' }))).toBe('mail|a@example.com')
  })

  it.each([[undefined], [null], [''], [1], [['a']], [{ $ne: null }], ['x'.repeat(256)]])(
    'is not found if that claim is %j',
    email => {
      expect(() => issuers.toUserId(mail, claims({ email }))).toThrow('The access token names no user.')
    },
  )

  it('may have an id of 255 characters after the prefix', () => {
    const email = 'x'.repeat(255)
    expect(issuers.toUserId(mail, claims({ email }))).toBe(`mail|${email}`)
  })

  it('is refused if the token belongs to a client itself', () => {
    const ofClient = claims({ sub: 'client-1', client_id: 'client-1' })
    for (const issuer of [own, idp]) {
      expect(() => issuers.toUserId(issuer, ofClient)).toThrow(
        "The access token is a client's own, not a user's.",
      )
    }
    expect(issuers.toUserId(idp, claims({ sub: 'alice', client_id: 'client-1' }))).toBe('idp|alice')
  })

  it('is refused if an id without prefix begins with the prefix of another issuer', () => {
    expect(() => issuers.toUserId(own, claims({ sub: 'idp|alice' }))).toThrow(
      'names a user of another issuer',
    )
    expect(issuers.toUserId(idp, claims({ sub: 'mail|alice' }))).toBe('idp|mail|alice')
    expect(issuers.toUserId(own, claims({ sub: 'idp' }))).toBe('idp')
  })

  it('the registry tells which ids belong to another issuer', () => {
    expect(['idp|alice', 'mail|', 'idp', 'alice', '', 'IDP|alice'].map(issuers.isForeign)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

function createIssuer(issuer: string, userIdPrefix: string, userIdClaim = 'sub'): Issuer {
  return {
    expectations: { issuer, audience: [], clockToleranceMs: 0, profile: 'rfc9068' },
    keys: { find: () => undefined, load: () => Promise.reject(new Error('Nobody asks for a key.')) },
    userIdPrefix,
    userIdClaim: [userIdClaim],
  }
}

function claims(of: Record<string, unknown>): AccessTokenClaims {
  return { iss: '', aud: '', sub: 'someone', exp: 0, ...of }
}
