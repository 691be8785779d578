import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { ALGORITHM_NAMES } from '../../lib/access-tokens/algorithms.js'
import type { Algorithm } from '../../lib/access-tokens/algorithms.js'
import { isSameKey, kidOfSecret, prepareKey, toSecretKey } from '../../lib/access-tokens/keys.js'
import type { KeyOptions } from '../../lib/access-tokens/keys.js'
import { OptionError } from '../../lib/errors.js'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })

function prepare(alg: string, key: KeyOptions['key']) {
  return prepareKey({ kid: 'a', alg: alg as Algorithm, key }, 'keys[0]')
}

function toPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }) as string
}

describe('a secret', () => {
  it.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ] as const)('of %s needs %i bytes', (alg, size) => {
    for (const bytes of [0, 1, 16, size - 1]) {
      expect(() => prepare(alg, randomBytes(bytes))).toThrow(OptionError)
      expect(() => prepare(alg, randomBytes(bytes))).toThrow(`${bytes} bytes: ${alg} needs ${size} or more`)
    }
    expect(prepare(alg, randomBytes(size)).alg).toBe(alg)
  })

  it('is measured in bytes, not in characters', () => {
    expect(prepare('HS256', 'äöüßéèêçñøåœæþðł').verificationKey.symmetricKeySize).toBe(32)
  })

  it('can be text, bytes, a KeyObject or a JWK, all of them the same key', () => {
    const bytes = Buffer.from('a text of 32 bytes and no more :)')
    const forms = [
      bytes.toString(),
      new Uint8Array(bytes),
      createSecretKey(bytes),
      { kty: 'oct', k: bytes.toString('base64url') },
    ]
    const [first, ...others] = forms.map(form => prepare('HS256', form))
    for (const other of others) expect(isSameKey(first!, other)).toBe(true)
    expect(first!.signingKey).toBe(first!.verificationKey)
  })

  it('cannot be a key pair', () => {
    expect(() => prepare('HS256', rsa.publicKey)).toThrow(/is a public key, but HS… needs a secret/)
    expect(() => prepare('HS256', p256.publicKey.export({ format: 'jwk' }))).toThrow(/kty "oct"/)
    expect(() => toSecretKey(rsa.privateKey, 'secret')).toThrow(/secret is a private key.*Use "keys"/)
  })

  it('is text, bytes or a KeyObject: other values are refused with what to write', () => {
    for (const value of [{}, [], 42, { kty: 'oct', k: 'AAAA' }, new Uint16Array(32)]) {
      expect(() => toSecretKey(value as never, 'secret')).toThrow(OptionError)
      expect(() => toSecretKey(value as never, 'secret')).toThrow(
        'secret is neither a text, bytes nor a KeyObject',
      )
    }
  })

  it('can be bytes from another realm', () => {
    const bytes = runInNewContext('new Uint8Array(32).map((_byte, index) => index * index)') as Uint8Array
    expect(bytes).not.toBeInstanceOf(Uint8Array)
    expect(prepare('HS256', bytes).verificationKey.symmetricKeySize).toBe(32)
  })

  it('is never quoted in a message', () => {
    expect(() => prepare('HS256', 'hunter2')).toThrow(/^(?!.*hunter2)/)
  })

  it('has a kid that depends on the secret and does not reveal it', () => {
    const [one, other] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))]
    expect(kidOfSecret(one)).toBe(kidOfSecret(createSecretKey(one.export())))
    expect(kidOfSecret(one)).not.toBe(kidOfSecret(other))
    expect(kidOfSecret(one)).toMatch(/^[\w-]{16}$/)
  })
})

describe('a key pair', () => {
  const pairs: [string, Algorithm, { privateKey: KeyObject; publicKey: KeyObject }][] = [
    ['RSA', 'RS256', rsa],
    ['RSA', 'PS512', rsa],
    ['P-256', 'ES256', p256],
    ['P-384', 'ES384', p384],
  ]

  it.each(pairs)('of %s serves %s as PEM text, PEM bytes, JWK or KeyObject', (_name, alg, pair) => {
    const { privateKey, publicKey } = pair
    for (const key of [privateKey, toPem(privateKey), Buffer.from(toPem(privateKey)), toJwk(privateKey)]) {
      const prepared = prepare(alg, key)
      expect(prepared.verificationKey.equals(publicKey)).toBe(true)
      expect(prepared.signingKey?.equals(privateKey)).toBe(true)
    }
  })

  it.each(pairs)('of %s serves %s by its public half, which cannot sign', (_name, alg, { publicKey }) => {
    for (const key of [publicKey, toPem(publicKey), Buffer.from(toPem(publicKey)), toJwk(publicKey)]) {
      const prepared = prepare(alg, key)
      expect(prepared.verificationKey.equals(publicKey)).toBe(true)
      expect(prepared.signingKey).toBeUndefined()
    }
  })

  it.each(['RS256', 'RS512', 'PS256'])('of RSA with less than 2048 bits is refused for %s', alg => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
    expect(() => prepare(alg, weak.privateKey)).toThrow(`${alg} needs an RSA modulus of 2048 to 8192 bits`)
    expect(() => prepare(alg, weak.publicKey)).toThrow(OptionError)
  })

  it('of RSA with the public exponent 1 is refused', () => {
    const { n } = toJwk(rsa.publicKey)
    expect(() => prepare('RS256', { kty: 'RSA', n: n!, e: 'AQ' })).toThrow(OptionError)
  })

  it.each([
    ['ES256', p384.privateKey, 'is on curve secp384r1: ES256 needs prime256v1'],
    ['ES384', p256.publicKey, 'is on curve prime256v1: ES384 needs secp384r1'],
    ['ES512', p256.privateKey, 'is on curve prime256v1: ES512 needs secp521r1'],
  ] as const)('on another curve than that of %s is refused', (alg, key, message) => {
    expect(() => prepare(alg, key)).toThrow(OptionError)
    expect(() => prepare(alg, key)).toThrow(message)
  })

  it.each([
    ['RS256', p256.privateKey, /type ec: RS256 needs rsa/],
    ['ES256', rsa.privateKey, /type rsa: ES256 needs ec/],
    ['PS256', createSecretKey(randomBytes(32)), /type secret: PS256 needs rsa/],
  ] as const)('of another kind than %s needs is refused', (alg, key, message) => {
    expect(() => prepare(alg, key)).toThrow(message)
  })

  it.each([
    ['EdDSA', generateKeyPairSync('ed25519').privateKey],
    ['RS256', generateKeyPairSync('ed25519').privateKey],
    ['ES256', generateKeyPairSync('ed448').publicKey],
    ['DSA', generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey],
    ['RS256', generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey],
    ['ES256', generateKeyPairSync('x25519').privateKey],
  ])(
    'that no algorithm here can use is refused with the supported ones and the way round (%s)',
    (alg, key) => {
      expect(() => prepare(alg, key)).toThrow(OptionError)
      for (const supported of [...ALGORITHM_NAMES, 'attach()']) {
        expect(() => prepare(alg, key)).toThrow(supported)
      }
    },
  )

  it.each(['not a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', { kty: 'RSA' }, 42])(
    'that cannot be parsed is refused with a message that does not quote it (%#)',
    key => {
      expect(() => prepare('RS256', key as string)).toThrow(
        'keys[0].key cannot be read: RS256 needs PEM text, a JWK or a KeyObject.',
      )
    },
  )
})

describe('an algorithm', () => {
  it.each(['none', 'None', 'NONE', '', ' none', 'hs256', 'RS256 ', 'ES256K', 'constructor', '__proto__'])(
    'that is not on the list is refused (%j)',
    alg => {
      expect(() => prepare(alg, randomBytes(64))).toThrow(/is not supported: write one of HS256, HS384/)
    },
  )
})

function toJwk(key: KeyObject): JsonWebKey {
  return key.export({ format: 'jwk' })
}
