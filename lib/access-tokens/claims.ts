import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'

/** What the claims of an access token must be. */
export interface ClaimExpectations {
  /** Compared code point by code point (RFC 7519 section 7.3). */
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audience: readonly string[]
  /** Leeway for clocks that differ, in milliseconds (RFC 7519 4.1.4: no more than a few minutes). */
  readonly clockToleranceMs: number
}

const MAX_SUBJECT_LENGTH = 255
const MAX_CLAIM_LENGTH = 1024

/** Required of our own tokens (RFC 9068 section 2.2), beside those that are checked for more than presence. */
const REQUIRED_STRINGS = ['client_id', 'jti'] as const

/**
 * Checks the claims of a token against what is expected and the time (milliseconds since the epoch).
 * Returns them typed, or throws `invalid_token`.
 */
export function verifyClaims(
  payload: Readonly<Record<string, unknown>>,
  expected: ClaimExpectations,
  now: number,
): AccessTokenClaims {
  requireIssuer(payload, expected)
  if (!hasAudience(payload['aud'], expected.audience)) throw refused('is meant for another audience')
  if (!isSubject(payload['sub'])) throw refused('names no subject')
  for (const claim of REQUIRED_STRINGS) {
    if (!isText(payload[claim], MAX_CLAIM_LENGTH)) throw refused(`has no ${claim}`)
  }
  if (payload['sid'] !== undefined && !isText(payload['sid'], MAX_CLAIM_LENGTH))
    throw refused('has a malformed sid')
  // RFC 7800: bound to a key whose proof is not checked here, so it is not a bearer token.
  if (payload['cnf'] !== undefined) throw refused('is bound to a key that cannot be checked')
  verifyTimes(payload, expected.clockToleranceMs, now)
  return payload as AccessTokenClaims
}

/** Whether a user's id can be the subject of a token: a text of 1 to 255 characters (RFC 7519 4.1.2). */
export function isSubject(userId: unknown): userId is string {
  return isText(userId, MAX_SUBJECT_LENGTH)
}

/** Throws `invalid_token` unless the issuer is the expected one. */
export function requireIssuer(payload: Readonly<Record<string, unknown>>, expected: ClaimExpectations): void {
  if (payload['iss'] !== expected.issuer) throw refused('is from another issuer')
}

/** The instant (milliseconds since the epoch) from which the token is no longer accepted. */
export function expiresAtMs(claims: AccessTokenClaims, clockToleranceMs: number): number {
  return claims.exp * 1000 + clockToleranceMs
}

function verifyTimes(payload: Readonly<Record<string, unknown>>, toleranceMs: number, now: number): void {
  const { exp, nbf, iat } = payload
  if (!isNumericDate(exp)) throw refused('has no expiry')
  if (now >= exp * 1000 + toleranceMs) throw refused('has expired')
  if (!isNumericDate(iat)) throw refused('does not say when it was issued')
  if (nbf === undefined) return
  if (!isNumericDate(nbf)) throw refused('has a malformed nbf')
  if (now < nbf * 1000 - toleranceMs) throw refused('is not valid yet')
}

function hasAudience(aud: unknown, expected: readonly string[]): boolean {
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud]
  return audiences.some(audience => typeof audience === 'string' && expected.includes(audience))
}

/** RFC 7519 section 2: a JSON number; fractions are allowed. */
function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength
}

function refused(why: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', `The access token ${why}.`)
}
