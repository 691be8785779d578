import { createSecretKey, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyOptions } from 'express-custom-user-data'
import { isKnownSecret } from '../../lib/access-tokens/known-secrets.js'
import { openDatabase } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'
import { createTestUserData } from '../support/user-data.js'

/** Each is in the documentation or the tutorials of something that many have copied from. */
const KNOWN = [
  'super-secret-jwt-token-with-at-least-32-characters-long',
  'my-32-character-ultra-secure-and-ultra-long-secret',
  '404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970',
  'GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk',
  'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
  '0123456789ABCDEF0123456789ABCDEF',
  '12345678901234567890123456789012',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
]

describe('secrets from public code and documentation', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openDatabase()
  })
  afterAll(() => database.close())

  it.each(KNOWN)('B7: "%s" is known, and refused at creation with what to write instead', secret => {
    expect(isKnownSecret(createSecretKey(secret, 'utf8'))).toBe(true)
    expect(() => createTestUserData(database, { secret })).toThrow(
      'secret is known from public code: make a random one.',
    )
  })

  it('B7: is refused as bytes, as a KeyObject, as a JWK and for a longer algorithm too', () => {
    const [text = ''] = KNOWN
    const bytes = Buffer.from(text)
    const jwk = { kty: 'oct', k: bytes.toString('base64url') }
    const create = (key: KeyOptions['key'], alg: KeyOptions['alg'] = 'HS256') =>
      createTestUserData(database, { keys: [{ kid: 'a', alg, key }] })
    expect(() => createTestUserData(database, { secret: bytes })).toThrow('known from public code')
    expect(() => createTestUserData(database, { secret: createSecretKey(bytes) })).toThrow(
      'known from public code',
    )
    expect(() => create(jwk)).toThrow('keys[0] is known from public code')
    expect(() => create(bytes, 'HS384')).toThrow('keys[0] is known from public code')
  })

  it('the message of the refusal does not repeat the secret', () => {
    const [secret = ''] = KNOWN
    expect(() => createTestUserData(database, { secret })).not.toThrow(secret)
  })

  it('one that differs in a letter is not known, and neither is any of 1,000 random ones', () => {
    const [secret = ''] = KNOWN
    expect(isKnownSecret(createSecretKey(`${secret}.`, 'utf8'))).toBe(false)
    for (let made = 0; made < 1_000; made++) {
      expect(isKnownSecret(createSecretKey(randomBytes(32)))).toBe(false)
    }
  })
})
