import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createKeyRing } from '../../lib/access-tokens/key-ring.js'
import { isRocaKey } from '../../lib/access-tokens/key-strength.js'
import { describeVectors, readJsonVector } from '../support/vectors.js'

interface CryptoFile {
  readonly testGroups: readonly { readonly comment: string; readonly public?: JsonWebKey }[]
}

describe('the check for RSA keys of the flawed generator (CVE-2017-15361)', () => {
  it('accepts ordinary keys of 2048 bits', () => {
    for (let made = 0; made < 3; made++) {
      expect(isRocaKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)).toBe(false)
    }
  })

  it('accepts an ordinary modulus of 2048 bits with any exponent', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
    expect(isRocaKey(publicKey)).toBe(false)
  })
})

describeVectors('the RSA key of the flawed generator in Wycheproof', () => {
  const { testGroups } = readJsonVector('wycheproof/json_web_crypto_test.json') as CryptoFile
  const jwk = testGroups.find(({ comment }) => comment === 'jws_rsa_roca_key')!.public!

  it('is detected, and refused with the name of the flaw', () => {
    expect(isRocaKey(createPublicKey({ key: jwk, format: 'jwk' }))).toBe(true)
    expect(() => createKeyRing({ keys: [{ kid: 'roca', alg: 'RS256', key: jwk }] })).toThrow(
      'keys[0] was made by a flawed generator (CVE-2017-15361), so its private key can be computed: make another key.',
    )
  })
})
