import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import type { JWTPayload } from 'jose'
import type { AccessTokenClaims } from '../types.js'
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
  const key = keys.signer()
  const claims = toClaims(config, subject, Math.floor(now / 1000))
  // jose signs off the event loop; jsonwebtoken would block it for the length of an RSA signature.
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, typ: ACCESS_TOKEN_TYP, kid: key.kid })
    .sign(key.signingKey)
  return { token, claims, key }
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
