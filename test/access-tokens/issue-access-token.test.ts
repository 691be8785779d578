import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { issueAccessToken } from '../../lib/access-tokens/issue-access-token.js'
import type { AccessTokenConfig } from '../../lib/access-tokens/issue-access-token.js'
import { createKeyRing } from '../../lib/access-tokens/key-ring.js'
import { AUDIENCE, ISSUER, KID, SECRET } from '../support/user-data.js'

const keys = createKeyRing({ secret: SECRET })
const config: AccessTokenConfig = {
  issuer: ISSUER,
  audience: [AUDIENCE],
  clientId: 'our app',
  accessTokenTtlSeconds: 1800,
}

function issue(changes: Partial<AccessTokenConfig> = {}, now = 1_800_000_000_999) {
  return issueAccessToken({ ...config, ...changes }, keys, { userId: 'alice', sid: 'session' }, now)
}

describe('an access token', () => {
  it('has the seven claims of RFC 9068 2.2, its session, and no more', async () => {
    const { token, claims } = await issue()
    expect(decodeJwt(token)).toEqual(claims)
    expect(claims).toEqual({
      iss: ISSUER,
      sub: 'alice',
      aud: AUDIENCE,
      client_id: 'our app',
      sid: 'session',
      iat: 1_800_000_000,
      exp: 1_800_001_800,
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
    })
  })

  it('has the type, the algorithm and the key in its header, and no more', async () => {
    const { token, key } = await issue()
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'at+jwt', kid: KID })
    expect(key).toBe(keys.signer())
  })

  it('has several audiences as a list', async () => {
    const audience = ['https://one.example', 'https://two.example']
    expect((await issue({ audience })).claims.aud).toEqual(audience)
  })

  it('expires after accessTokenTtlSeconds', async () => {
    const { claims } = await issue({ accessTokenTtlSeconds: 60 })
    expect(claims.exp - claims.iat!).toBe(60)
  })

  it('is never the same twice', async () => {
    const [one, other] = await Promise.all([issue(), issue()])
    expect(one.claims.jti).not.toBe(other.claims.jti)
    expect(one.token).not.toBe(other.token)
  })

  it.each([
    ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['RS512', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['PS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['PS384', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ES384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['ES512', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  ] as const)('signed with %s is accepted by other libraries', async (alg, generate) => {
    const { privateKey, publicKey } = generate()
    const ring = createKeyRing({ keys: [{ kid: 'one', alg, key: privateKey }] })
    const subject = { userId: 'zoë', sid: 'session' }
    const { token, claims } = await issueAccessToken(config, ring, subject, Date.now())
    const verified = await jwtVerify(token, publicKey, { algorithms: [alg] })
    expect(verified.payload).toEqual(claims)
    expect(verified.protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: 'one' })
  })
})
