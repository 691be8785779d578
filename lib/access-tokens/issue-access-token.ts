import { randomUUID } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { JWTPayload } from 'jose'
import type { AccessTokenClaims } from '../types.js'
import { assertUserId } from '../valid-user-id.js'
import { ACCESS_TOKEN_TYP } from './claims.js'
import type { KeyRing, SigningKey } from './key-ring.js'

/** What every token of this server says. */
export interface AccessTokenConfig {
  readonly issuer: string
  readonly audience: readonly string[]
  /** Whom tokens are issued to (RFC 9068 2.2). */
  readonly clientId: string
  /** Lifetime of a token, in seconds. */
  readonly accessTokenTtlSeconds: number
}

/** A signed token with its claims, and the key that vouches for it. */
export interface IssuedAccessToken {
  readonly token: string
  readonly claims: AccessTokenClaims
  readonly key: SigningKey
}

/** Whom a token is for, and what else it says. */
export interface TokenSubject {
  readonly userId: string
  readonly sid: string
  /** Claims beside the usual ones. */
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

/** jsonwebtoken is loaded anyway, by passport-jwt, and makes an HMAC at once: jose, in a thread, takes six times as long. */
function signWithSecret(claims: JWTPayload, key: SigningKey): string {
  return jwt.sign(claims, key.signingKey, { algorithm: key.alg, header: toHeader(key) })
}

/** jose signs off the event loop, which jsonwebtoken would block for the length of an RSA signature. */
async function signWithPrivateKey(claims: JWTPayload, key: SigningKey): Promise<string> {
  const { SignJWT } = await import('jose/jwt/sign')
  return new SignJWT(claims).setProtectedHeader(toHeader(key)).sign(key.signingKey)
}

function toHeader({ alg, kid }: SigningKey) {
  return { alg, typ: ACCESS_TOKEN_TYP, kid }
}

function toClaims(
  config: AccessTokenConfig,
  { userId, sid, extraClaims }: TokenSubject,
  iat: number,
): AccessTokenClaims & JWTPayload {
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
  return extraClaims ? { ...extraClaims, ...claims } : claims
}
