import { expect, it } from 'vitest'
import { createClaimsFreezer } from '../../lib/authenticate/token-bindings.js'
import type { AccessTokenClaims } from '../../lib/types.js'

const CLAIMS = '{"iss":"us","aud":["a","b"],"sub":"alice","exp":1,"client_id":"app","x":{"y":[{"z":1}]}}'

function parse(json = CLAIMS): AccessTokenClaims {
  return JSON.parse(json) as AccessTokenClaims
}

it('the claims of a token are frozen at every depth', () => {
  const claims = parse()
  createClaimsFreezer()(claims)
  const { y } = claims['x'] as { y: readonly object[] }
  expect([claims, claims.aud, claims['x'], y, y[0]].every(value => Object.isFrozen(value))).toBe(true)
})

it('the claims of a token keep their values', () => {
  const freeze = createClaimsFreezer()
  freeze(parse())
  const claims = parse()
  freeze(claims)
  expect(claims).toEqual(parse())
})

it('claims with hostile names are ordinary claims', () => {
  const json = '{"iss":"us","__proto__":{"admin":true},"constructor":{"prototype":[1]},"aud":7}'
  const claims = parse(json)
  createClaimsFreezer()(claims)
  expect(JSON.stringify(claims)).toBe(json)
  expect(Object.isFrozen(Object.getOwnPropertyDescriptor(claims, '__proto__')?.value)).toBe(true)
  expect(claims['admin']).toBeUndefined()
})

it('different tokens never get the same cache key', () => {
  const freeze = createClaimsFreezer()
  const issuers = Array.from({ length: 2_500 }, (_, n) => `issuer ${n}`)
  for (const iss of [...issuers, ...issuers]) {
    const claims = parse(JSON.stringify({ iss }))
    freeze(claims)
    expect(claims.iss).toBe(iss)
  }
})
