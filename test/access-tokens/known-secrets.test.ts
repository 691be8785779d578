import { createSecretKey, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { KeyOptions } from 'express-custom-user-data'
import { isKnownSecret, KNOWN_SECRET_COUNT } from '../../lib/access-tokens/known-secrets.js'
import { useDatabase } from '../support/database.js'
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
  const database = useDatabase()

  it.each(KNOWN)('"%s" is known, and refused at creation with what to write instead', secret => {
    expect(isKnownSecret(Buffer.from(secret))).toBe(true)
    expect(() => createTestUserData(database, { secret })).toThrow(
      'secret is known from public code or documentation, so attackers know it too. Write a random secret',
    )
  })

  it('is refused as bytes, as a KeyObject, as a JWK and for a longer algorithm too', () => {
    const [text = ''] = KNOWN
    const bytes = Buffer.from(text)
    const jwk = { kty: 'oct', k: bytes.toString('base64url') }
    const create = (key: KeyOptions['key'], alg: KeyOptions['alg'] = 'HS256') =>
      createTestUserData(database, { keys: [{ kid: 'a', alg, key }] })
    expect(() => createTestUserData(database, { secret: bytes })).toThrow('secret is known')
    expect(() => createTestUserData(database, { secret: createSecretKey(bytes) })).toThrow('secret is known')
    expect(() => create(jwk)).toThrow('keys[0] is known from public code')
    expect(() => create(bytes, 'HS384')).toThrow('keys[0] is known from public code')
  })

  it('are refused by every option and function that takes a secret', () => {
    const [known = ''] = KNOWN
    const userData = createTestUserData(database)
    const keys: KeyOptions[] = [{ kid: 'a', alg: 'HS256', key: known }]
    expect(() => createTestUserData(database, { secret: known })).toThrow('secret is known')
    expect(() => createTestUserData(database, { keys })).toThrow('keys[0] is known')
    expect(() => {
      userData.replaceKeys(keys)
    }).toThrow('keys[0] is known')
    const sessionSecrets = [randomBytes(32), known]
    expect(() => createTestUserData(database, { sessionSecrets })).toThrow('sessionSecrets[1] is known')
  })

  it('the message of the refusal does not repeat the secret', () => {
    const [secret = ''] = KNOWN
    expect(() => createTestUserData(database, { secret })).not.toThrow(secret)
  })

  const HEX = '404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970'
  const BASE64 = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow'
  const TEXT = 'super-secret-jwt-token-with-at-least-32-characters-long'
  it.each<[string, Buffer]>([
    ['the bytes that a known hex text stands for', Buffer.from(HEX, 'hex')],
    ['the bytes that a known base64url text stands for', Buffer.from(BASE64, 'base64url')],
    ['a known hex text in lower case', Buffer.from(HEX.toLowerCase())],
    ['a known base64url text as base64 with padding', Buffer.from(`${toBase64(BASE64)}==`)],
    ['the hex text of a known text', Buffer.from(Buffer.from(TEXT).toString('hex'))],
    ['the base64 text of a known text', Buffer.from(Buffer.from(TEXT).toString('base64'))],
    ['the base64url text of a known text', Buffer.from(Buffer.from(TEXT).toString('base64url'))],
    ['a known text with the line break that a file ends with', Buffer.from(`${TEXT}\r\n`)],
    ['a known text between spaces', Buffer.from(` ${TEXT} `)],
  ])('are known in other spellings too: %s', (_title, secret) => {
    expect(isKnownSecret(secret)).toBe(true)
    expect(() => createTestUserData(database, { secret })).toThrow('secret is known')
    expect(() => createTestUserData(database, { sessionSecrets: [secret] })).toThrow('sessionSecrets[0] is')
  })

  it('are as many as SECURITY.md says', async () => {
    const text = await readFile(new URL('../../SECURITY.md', import.meta.url), 'utf8')
    expect(Number.isInteger(KNOWN_SECRET_COUNT)).toBe(true)
    expect(text.replace(/\s+/g, ' ')).toContain(`${KNOWN_SECRET_COUNT.toLocaleString('en')} secrets`)
  })

  it('a secret that differs in one letter and 1,000 random secrets are not known', () => {
    const [secret = ''] = KNOWN
    expect(isKnownSecret(Buffer.from(`${secret}.`))).toBe(false)
    for (let made = 0; made < 1_000; made++) {
      expect(isKnownSecret(randomBytes(32))).toBe(false)
    }
  })
})

function toBase64(base64url: string): string {
  return base64url.replaceAll('-', '+').replaceAll('_', '/')
}
