import { constants, randomUUID, sign } from 'node:crypto'
import type { SignKeyObjectInput } from 'node:crypto'
import { promisify } from 'node:util'
import jwt from 'jsonwebtoken'
import type { AccessTokenClaims } from '../types.js'
import { assertUserId } from './user-id.js'
import { ACCESS_TOKEN_TYP } from './claims.js'
import type { KeyRing, SigningKey } from './key-ring.js'

/** The claims that all our tokens share. */
export interface AccessTokenConfig {
  readonly issuer: string
  readonly audience: readonly string[]
  /** The client that tokens are issued to (RFC 9068 2.2). */
  readonly clientId: string
  /** Lifetime of a token, in seconds. */
  readonly accessTokenTtlSeconds: number
}

/** A signed token with its claims and the key that signed it. */
export interface IssuedAccessToken {
  readonly token: string
  readonly claims: AccessTokenClaims
  readonly key: SigningKey
}

/** The claims of one token. */
export interface TokenSubject {
  readonly userId: string
  readonly sid: string
  /** Further claims, such as the user's data. They cannot replace the usual claims. */
  readonly extraClaims?: Readonly<Record<string, unknown>> | undefined
}

/** Signs a token for a user's session. `now` is in milliseconds since the epoch. */
export async function issueAccessToken(
  config: AccessTokenConfig,
  keys: KeyRing,
  subject: TokenSubject,
  now: number,
): Promise<IssuedAccessToken> {
  assertUserId(subject.userId, 'an access token')
  const key = keys.signer()
  const claims = toClaims(config, subject, Math.floor(now / 1000))
  const token =
    key.signingKey.type === 'secret' ? signWithSecret(claims, key) : await signWithPrivateKey(claims, key)
  return { token, claims, key }
}

/** An HMAC takes microseconds, so it is computed on the event loop, by the library that also verifies tokens. */
function signWithSecret(claims: AccessTokenClaims, key: SigningKey): string {
  return jwt.sign(claims, key.signingKey, { algorithm: key.alg, header: toHeader(key) })
}

const signInThread = promisify(sign)

/**
 * Signs on Node's thread pool, because jsonwebtoken would block the event loop for the length of an RSA signature, which is
 * a millisecond or more. The parameters are those of RFC 7518 sections 3.3 to 3.5.
 */
async function signWithPrivateKey(claims: AccessTokenClaims, key: SigningKey): Promise<string> {
  const signingInput = `${encode(toHeader(key))}.${encode(claims)}`
  const hash = `sha${key.alg.slice(2)}`
  const signature = await signInThread(hash, Buffer.from(signingInput), toSignOptions(key))
  return `${signingInput}.${signature.toString('base64url')}`
}

function toSignOptions({ alg, signingKey }: SigningKey): SignKeyObjectInput {
  if (alg.startsWith('ES')) return { key: signingKey, dsaEncoding: 'ieee-p1363' }
  if (!alg.startsWith('PS')) return { key: signingKey }
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants
  return { key: signingKey, padding, saltLength }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function toHeader({ alg, kid }: SigningKey) {
  return { alg, typ: ACCESS_TOKEN_TYP, kid }
}

function toClaims(
  config: AccessTokenConfig,
  { userId, sid, extraClaims }: TokenSubject,
  iat: number,
): AccessTokenClaims {
  const [onlyAudience, secondAudience] = config.audience
  const claims = {
    iss: config.issuer,
    sub: userId,
    aud: onlyAudience !== undefined && secondAudience === undefined ? onlyAudience : [...config.audience],
    client_id: config.clientId,
    sid,
    iat,
    exp: iat + config.accessTokenTtlSeconds,
    jti: randomUUID(),
  }
  return { ...extraClaims, ...claims }
}
