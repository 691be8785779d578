import { createSecretKey } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TokenVerifierOptions, VerifyForeignToken } from 'express-custom-user-data'
import { useDatabase } from '../support/database.js'
import { curve, rsa, rsaPem, FOREIGN_AUDIENCE, FOREIGN_SECRET } from '../support/foreign-tokens.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let userData: ReturnType<typeof createTestUserData>
beforeEach(() => {
  userData = createTestUserData(database)
})
afterEach(() => userData.close())

const verifierOf = (options: Partial<TokenVerifierOptions> = {}): VerifyForeignToken =>
  userData.tokenVerifier({
    keys: [{ alg: 'HS256', key: FOREIGN_SECRET }],
    audience: FOREIGN_AUDIENCE,
    ...options,
  })

describe('tokenVerifier() refuses the option', () => {
  const publicOptions = { jwksUri: 'https://partner.example.com/jwks.json', algorithms: ['RS256'] }
  const keys = (alg: string, key: unknown) => ({ keys: [{ alg, key }] })
  const rsaDer = rsa.publicKey.export({ type: 'spki', format: 'der' })
  const rsaJwk = rsa.publicKey.export({ format: 'jwk' })
  const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })
  it.each<[string, unknown, string | RegExp]>([
    ['audience, if it is missing', { audience: undefined }, 'option "audience": name your API'],
    ['audience, if the list is empty', { audience: [] }, 'option "audience": name your API'],
    ['keys, if the list is empty', { keys: [] }, 'option "keys": write one key or more'],
    [
      'keys, if there are more than 10',
      { keys: Array.from({ length: 11 }, () => ({ alg: 'HS256', key: FOREIGN_SECRET })) },
      'write 10 keys or fewer',
    ],
    [
      'keys, if a name is used twice',
      { keys: [1, 2].map(() => ({ kid: 'a', alg: 'HS256', key: FOREIGN_SECRET })) },
      'the kid "a" is used twice',
    ],
    ['keys with an unknown alg', keys('none', FOREIGN_SECRET), 'option "keys.0.alg": write one of HS256'],
    ['keys with a short secret', keys('HS256', 'short'), /keys\[0\] has 5 bytes: HS256 needs 32 or more/],
    ['keys with a secret too short for its alg', keys('HS512', FOREIGN_SECRET), /HS512 needs 64 or more/],
    ['keys with a known secret', keys('HS256', '0'.repeat(64)), /keys\[0\] /],
    [
      'keys with a public key as secret',
      keys('HS256', rsaPem),
      /is a key in PEM format, and its public part is not secret/,
    ],
    [
      'keys with a public key in base64 as secret',
      keys('HS256', rsaDer.toString('base64')),
      /is a public key/,
    ],
    ['keys with a public key as JWK for HS256', keys('HS256', rsaJwk), /is not a secret/],
    [
      'keys with a public KeyObject for HS256',
      keys('HS256', rsa.publicKey),
      /is a public key, but HS… needs a secret/,
    ],
    ['keys with a secret for RS256', keys('RS256', FOREIGN_SECRET), /cannot be read: RS256 needs PEM text/],
    [
      'keys with a secret KeyObject for RS256',
      keys('RS256', createSecretKey(FOREIGN_SECRET, 'utf8')),
      /is of type secret/,
    ],
    [
      'keys with a private key as PEM text',
      keys('RS256', privatePem),
      /is a private key, and only the service that signs/,
    ],
    ['keys with a private KeyObject', keys('RS256', rsa.privateKey), /is a private key/],
    ['keys with a private JWK', keys('ES256', curve.privateJwk), /is a private key/],
    [
      'keys with a key of another curve',
      keys('ES384', { ...curve.jwk, alg: undefined }),
      /is on curve prime256v1/,
    ],
    ['jwksUri beside keys', { jwksUri: publicOptions.jwksUri }, 'option "jwksUri": "keys" is given too'],
    [
      'algorithms beside keys',
      { algorithms: ['RS256'] },
      'option "algorithms": it is for keys that are fetched',
    ],
    [
      'algorithms with HS256',
      { keys: undefined, ...publicOptions, algorithms: ['HS256'] },
      'option "algorithms.0": write some of RS256',
    ],
    [
      'jwksUri without algorithms',
      { keys: undefined, jwksUri: publicOptions.jwksUri },
      'option "keys": give "keys"',
    ],
    ['keys, if nothing tells the keys', { keys: undefined }, 'option "keys": give "keys"'],
    [
      'jwksUri, if there is no issuer for discovery',
      { keys: undefined, algorithms: ['RS256'] },
      'option "jwksUri": write the address of the key set, or give "issuer"',
    ],
    [
      'jwksUri, if the issuer is no address',
      { keys: undefined, algorithms: ['RS256'], issuer: 'partner' },
      'or an issuer that is an https address',
    ],
    [
      'jwksUri over http',
      { keys: undefined, ...publicOptions, jwksUri: 'http://partner.example.com' },
      'option "jwksUri": write an https address',
    ],
    [
      'jwksUri on loopback for an issuer elsewhere',
      { keys: undefined, ...publicOptions, jwksUri: 'https://127.0.0.1/', issuer: 'https://a.example.com' },
      'this address is on loopback',
    ],
    ['issuer, if it is empty', { issuer: '' }, 'option "issuer": write a text that is not empty'],
    ['profile, which does not exist', { profile: 'jwt' }, 'there is no option "profile"'],
  ])('%s', (_what, changes, message) => {
    const create = (): unknown => verifierOf(changes as Partial<TokenVerifierOptions>)
    expect(create).toThrow(/^tokenVerifier\(\): /)
    expect(create).toThrow(message)
    expect(create).toThrow(expect.objectContaining({ name: 'OptionError' }))
    expect(create).not.toThrow(FOREIGN_SECRET)
  })

  it('if it is called without options', () => {
    expect(() => userData.tokenVerifier(undefined as never)).toThrow(
      'tokenVerifier(): option "audience": name your API',
    )
  })
})
