import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseJwkSet } from '../../lib/access-tokens/jwk-set.js'
import { createTestKey } from '../support/key-server.js'

const { jwk, privateJwk } = createTestKey('good')
const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsa = { ...rsaPair.publicKey.export({ format: 'jwk' }), kid: 'rsa' }
const ed25519 = {
  ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }),
  kid: 'ed',
}

describe('a published JWK Set', () => {
  it.each<[string, object, RegExp]>([
    ['a secret', { kty: 'oct', kid: 'odd', k: 'c2VjcmV0' }, /"odd" is not public/],
    [
      'a secret that claims to be for ES256',
      { kty: 'oct', kid: 'odd', alg: 'ES256', k: 'c2VjcmV0' },
      /not public/,
    ],
    ['a private key', { ...privateJwk, kid: 'odd' }, /"odd" is not public/],
    ['a key for encryption', { ...jwk, kid: 'odd', use: 'enc' }, /"odd".* not for signatures/],
    ['a key to wrap keys with', { ...jwk, kid: 'odd', key_ops: ['wrapKey'] }, /"odd".* not for signatures/],
    ['an OKP key', ed25519, /"ed" is for none of/],
    ['an OKP key of EdDSA', { ...ed25519, alg: 'EdDSA' }, /"ed" is for none of/],
    [
      'an OKP key that claims to be for ES256',
      { ...ed25519, alg: 'ES256' },
      /of type ed25519, is not supported/,
    ],
    [
      'a key for an algorithm that is not trusted',
      { ...jwk, kid: 'odd', alg: 'ES384' },
      /"odd" is for none of/,
    ],
    ['a key with an alg that is not text', { ...jwk, kid: 'odd', alg: ['ES256'] }, /"odd" is for none of/],
    ['a key with an alg of null', { ...jwk, kid: 'odd', alg: null }, /"odd" is for none of/],
    ['a key on another curve than its alg', { ...jwk, kid: 'odd', crv: 'P-384' }, /"odd".* cannot be read/],
    ['a point that is not on the curve', { ...jwk, kid: 'odd', y: jwk.x }, /"odd".* cannot be read/],
    ['a key with a member missing', { ...jwk, kid: 'odd', y: undefined }, /"odd".* cannot be read/],
    [
      'a key with a member of another type',
      { ...jwk, kid: 'odd', x: { length: 1 } },
      /"odd".* cannot be read/,
    ],
    ['a kid that is not text', { ...jwk, kid: 1 }, /kid of a key is not a text/],
    ['a value that is not an object', [jwk], /not an object/],
  ])('ignores %s, and keeps the rest', (_name, odd, why) => {
    const { keys, ignored } = parseJwkSet({ keys: [odd, jwk] }, ['ES256', 'RS256'])
    expect(keys.map(({ kid }) => kid)).toEqual(['good'])
    expect(ignored).toEqual([expect.stringMatching(why)])
  })

  it('ignores an RSA key of 1024 bits and one of exponent 1', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const trivial = { ...rsa, e: 'AQ' }
    const { keys, ignored } = parseJwkSet({ keys: [short, trivial, rsa] }, ['RS256'])
    expect(keys.map(({ kid }) => kid)).toEqual(['rsa'])
    expect(ignored).toHaveLength(2)
  })

  it('a key without alg is used with each allowed algorithm that it fits', () => {
    const open = { ...jwk, alg: undefined }
    const { keys } = parseJwkSet({ keys: [open, rsa] }, ['ES256', 'ES384', 'RS256', 'PS512'])
    expect(keys.map(({ kid, alg }) => [kid, alg])).toEqual([
      ['good', 'ES256'],
      ['rsa', 'RS256'],
      ['rsa', 'PS512'],
    ])
  })

  it('contains only keys that cannot sign', () => {
    const { keys } = parseJwkSet({ keys: [jwk] }, ['ES256'])
    expect(keys).toMatchObject([
      { signingKey: undefined, verificationKey: { type: 'public' }, retired: false },
    ])
  })

  it('keeps two keys with the same name and algorithm', () => {
    const { keys } = parseJwkSet({ keys: [jwk, createTestKey('good').jwk] }, ['ES256'])
    expect(keys.map(({ kid }) => kid)).toEqual(['good', 'good'])
  })

  it('a long name is cut in messages', () => {
    const { ignored } = parseJwkSet({ keys: [{ kty: 'oct', k: '', kid: 'x'.repeat(10_000) }, jwk] }, [
      'ES256',
    ])
    expect(ignored[0]!.length).toBeLessThan(100)
  })

  it.each([[undefined], [null], [1], ['keys'], [[]], [{}], [{ keys: {} }], [{ keys: 'all' }]])(
    'is refused if it is %j',
    value => {
      expect(() => parseJwkSet(value, ['ES256'])).toThrow('The answer is not a JWK Set.')
    },
  )

  it('is refused without a usable key, and with more than 100 keys', () => {
    expect(() => parseJwkSet({ keys: [] }, ['ES256'])).toThrow('The set has no usable key.')
    expect(() => parseJwkSet({ keys: [ed25519] }, ['ES256'])).toThrow('The set has no usable key.')
    const hundred = Array.from({ length: 100 }, () => jwk)
    expect(parseJwkSet({ keys: hundred }, ['ES256']).keys).toHaveLength(100)
    expect(() => parseJwkSet({ keys: [...hundred, jwk] }, ['ES256'])).toThrow('more than 100 keys')
  })
})
