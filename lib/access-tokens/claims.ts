import { CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { AccessTokenClaims } from '../types.js'
import type { ClaimsSet } from './compact-jws.js'

/**
 * Which JWTs of an issuer are access tokens. `rfc9068`: only JWTs of `typ: at+jwt` with all claims of RFC 9068 2.2.
 * `jwt`: also JWTs of `typ: JWT` or without a `typ`, for issuers that do not follow RFC 9068. With `jwt` only the
 * audience distinguishes the issuer's ID tokens from its access tokens.
 */
export type TokenProfile = 'rfc9068' | 'jwt'

/** The rules for the claims of a token. */
export interface ClaimRules {
  /** Compared code point by code point (RFC 7519 section 7.3). `undefined` accepts tokens of any issuer. */
  readonly issuer: string | undefined
  /** One of these must be in the audience claim. */
  readonly audience: readonly string[]
  /** The claim that names the audience: `aud`, unless the issuer puts it into another one. */
  readonly audienceClaim?: string
  /** Milliseconds by which the clocks of two machines may differ (RFC 7519 4.1.4: a few minutes at most). */
  readonly clockToleranceMs: number
  /**
   * Whether a token is refused when its `iat` is further in the future than the tolerance. A revocation compares `iat`
   * with its own time, so it would not stop that token.
   */
  readonly refusesFutureIat?: boolean
}

/** The claims that access tokens of one issuer must have. */
export interface ClaimExpectations extends ClaimRules {
  readonly issuer: string
  readonly profile: TokenProfile
}

/** The claims of a verified token of another service. */
export interface ForeignTokenClaims extends Readonly<Record<string, unknown>> {
  /** The user's id at the other service: a text of 1 to 255 characters. */
  readonly sub: string
  /** When the token expires, in seconds since the epoch. */
  readonly exp: number
}

/** The claims that an access token must have, by profile. RFC 9068 2.2 requires all seven. */
const REQUIRED_CLAIMS: Readonly<Record<TokenProfile, readonly string[]>> = {
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
  jwt: ['iss', 'exp', 'aud', 'sub', 'iat'],
}

/** Other claims of access tokens that must be texts if a token has them. */
const TEXT_CLAIMS = ['client_id', 'jti', 'sid']

/** The claims that a token of another service must have. Without `aud` it could have been issued for anybody. */
const FOREIGN_CLAIMS = ['exp', 'aud', 'sub']

/** The media type of access tokens (RFC 9068 2.1). It keeps other JWTs, such as ID tokens, from being accepted. */
export const ACCESS_TOKEN_TYP = 'at+jwt'

const MAX_SUBJECT_LENGTH = 255
const MAX_CLAIM_LENGTH = 1_024

/**
 * Checks the `typ` of a token (RFC 9068 2.1 and 4, RFC 8725 3.11). It is a media type, so upper and lower case are the same.
 * @throws `invalid_token`
 */
export function verifyTyp(typ: string | undefined, profile: TokenProfile): void {
  const type = toMediaType(typ)
  if (type !== ACCESS_TOKEN_TYP && !(profile === 'jwt' && isPlain(type)))
    throw new CustomUserDataError('invalid_token', `${describeTyp(type)} ${OTHER_TOKENS}`)
}

/**
 * Checks the `typ` of a token of another service: `JWT`, `at+jwt` or none. Other types, such as `logout+jwt`, tell that the
 * token is no credential of a user (RFC 8725 3.11).
 * @throws `invalid_token`
 */
export function verifyForeignTyp(typ: string | undefined): void {
  const type = toMediaType(typ)
  if (type !== ACCESS_TOKEN_TYP && !isPlain(type)) throw refused('has another typ than JWT or at+jwt')
}

function toMediaType(typ: string | undefined): string | undefined {
  return typ?.toLowerCase().replace(/^application\//, '')
}

function isPlain(type: string | undefined): boolean {
  return type === undefined || type === 'jwt'
}

/** The types that messages name. Any other text is not shown, because messages do not repeat what a client sends. */
const KNOWN_TYPES = ['jwt', 'id_token+jwt', 'logout+jwt', 'secevent+jwt', 'dpop+jwt']

const OTHER_TOKENS =
  "Tokens that your app verifies by other means need attach(). A trusted issuer whose access tokens have typ JWT needs profile: 'jwt'."

function describeTyp(type: string | undefined): string {
  const found = type === undefined ? 'no typ' : KNOWN_TYPES.includes(type) ? `typ ${type}` : 'another typ'
  return `The token is not an access token: it has ${found} instead of typ at+jwt.`
}

/**
 * Checks the claims of an access token. `now` is in milliseconds since the epoch.
 * @throws `invalid_token`
 */
export function verifyClaims(
  payload: ClaimsSet,
  expected: ClaimExpectations,
  now: number,
): AccessTokenClaims {
  verifyByRules(payload, expected, { required: REQUIRED_CLAIMS[expected.profile], texts: TEXT_CLAIMS }, now)
  return payload as AccessTokenClaims
}

/**
 * Checks the claims of a token of another service. `now` is in milliseconds since the epoch.
 * @throws `invalid_token`
 */
export function verifyForeignClaims(
  payload: ClaimsSet,
  rules: ClaimRules,
  now: number,
): asserts payload is ForeignTokenClaims {
  const required = rules.issuer === undefined ? FOREIGN_CLAIMS : ['iss', ...FOREIGN_CLAIMS]
  // The service may use other names, such as `sid`, for values of its own.
  verifyByRules(payload, rules, { required, texts: [] }, now)
}

interface ClaimNames {
  readonly required: readonly string[]
  /** Claims that must be texts if the token has them. */
  readonly texts: readonly string[]
}

function verifyByRules(payload: ClaimsSet, rules: ClaimRules, names: ClaimNames, now: number): void {
  const { issuer, audience, audienceClaim = 'aud' } = rules
  for (const required of names.required) {
    const claim = required === 'aud' ? audienceClaim : required
    if (!Object.hasOwn(payload, claim) || payload[claim] === undefined || payload[claim] === null) {
      throw refused(`has no ${claim}`)
    }
  }
  if (issuer !== undefined && payload['iss'] !== issuer) throw refused('is from another issuer')
  // RFC 7519 section 4.1.3: a token whose aud names others only is refused, also if another claim names us.
  const audiences = [payload[audienceClaim], payload['aud'] ?? payload[audienceClaim]]
  if (!audiences.every(value => hasAudience(value, audience))) {
    throw refused('is meant for another audience')
  }
  if (!isSubject(payload['sub'])) throw refused('has a malformed sub')
  for (const claim of names.texts) {
    const value = payload[claim]
    if (value !== undefined && !isText(value, MAX_CLAIM_LENGTH)) throw refused(`has a malformed ${claim}`)
  }
  // RFC 7800: the token is bound to a key. No proof of that key is checked here, so it must not serve as a bearer token.
  if (payload['cnf'] !== undefined) throw refused('is bound to a key that cannot be checked')
  verifyTimes(payload, rules, now)
}

/**
 * Whether a value can name a user: a text of 1 to 255 characters, as the subject of a token (RFC 7519 4.1.2). A lone
 * surrogate is refused. The driver would store U+FFFD in its place, so two ids would become one.
 */
export function isSubject(userId: unknown): userId is string {
  return isText(userId, MAX_SUBJECT_LENGTH) && userId.isWellFormed()
}

/** The time from which the token is refused, in milliseconds since the epoch. */
export function expiresAtMs(claims: AccessTokenClaims, clockToleranceMs: number): number {
  return claims.exp * 1000 + clockToleranceMs
}

function verifyTimes(
  payload: ClaimsSet,
  { clockToleranceMs: toleranceMs, refusesFutureIat }: ClaimRules,
  now: number,
): void {
  const { exp, nbf, iat } = payload
  if (!isNumericDate(exp)) throw refused('has a malformed exp')
  const expiresAt = exp * 1000 + toleranceMs
  if (now >= expiresAt) throw noteRefusal(refused('has expired'), { reason: 'expired', expiresAt })
  if (iat !== undefined && !isNumericDate(iat)) throw refused('has a malformed iat')
  if (nbf !== undefined && !isNumericDate(nbf)) throw refused('has a malformed nbf')
  if (nbf !== undefined && now < nbf * 1000 - toleranceMs)
    throw noteRefusal(refused('is not valid yet'), { expiresAt })
  if (refusesFutureIat === true && (iat ?? 0) * 1000 > now + toleranceMs) {
    throw noteRefusal(refused('was issued in the future; the clock of its issuer may be wrong'), {
      expiresAt,
    })
  }
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
