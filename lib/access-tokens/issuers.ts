import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { isSubject } from './claims.js'
import type { ClaimExpectations } from './claims.js'
import type { ClaimsSet } from './compact-jws.js'
import type { KeySource } from './key-ring.js'

/** Somebody whose tokens are accepted: ourselves, or an issuer that the team trusts. */
export interface Issuer {
  readonly expectations: ClaimExpectations
  readonly keys: KeySource
  /** Put before the user's id, so that two issuers' users are never one; `''` at most once. */
  readonly userIdPrefix: string
  /** The claim that names the user: `sub`, unless the issuer says otherwise. */
  readonly userIdClaim: string
}

/** All issuers whose tokens are accepted. */
export interface Issuers {
  /** The issuer that a payload names, before anything of it is trusted. Throws `invalid_token`. */
  of: (payload: ClaimsSet) => Issuer
  /** The user's id here, of verified claims. Throws `invalid_token`. */
  toUserId: (issuer: Issuer, claims: AccessTokenClaims) => string
  /** Whether an id would pass for another issuer's user. */
  isForeign: (userId: string) => boolean
  /** Whether a value can be a user's id: an issuer's prefix, which may be empty, and a text as in {@link isSubject}. */
  isUserId: (value: unknown) => value is string
}

/** Creates the registry of issuers. The options have been checked, so no two issuers overlap. */
export function createIssuers(list: readonly Issuer[]): Issuers {
  const byName = new Map(list.map(issuer => [issuer.expectations.issuer, issuer]))
  const prefixes = list.map(({ userIdPrefix }) => userIdPrefix).filter(prefix => prefix !== '')

  function isForeign(userId: string): boolean {
    return prefixes.some(prefix => userId.startsWith(prefix))
  }

  return {
    of({ iss }) {
      if (iss === undefined || iss === null) throw refused('The access token has no iss.')
      const issuer = typeof iss === 'string' ? byName.get(iss) : undefined
      if (!issuer) throw refused('The access token is from another issuer.')
      return issuer
    },
    toUserId({ userIdPrefix, userIdClaim }, claims) {
      const id = claims[userIdClaim]
      if (!isSubject(id)) throw refused('The access token names no user.')
      // RFC 9068 section 5: a client's own token must not pass for a user's.
      if (claims.client_id !== undefined && claims.client_id === claims.sub) {
        throw refused("The access token is a client's own, not a user's.")
      }
      if (userIdPrefix === '' && isForeign(id))
        throw refused('The access token names a user of another issuer.')
      return userIdPrefix + id
    },
    isForeign,
    isUserId(value): value is string {
      if (typeof value !== 'string') return false
      const prefix = prefixes.find(candidate => value.startsWith(candidate)) ?? ''
      return isSubject(value.slice(prefix.length))
    },
  }
}

/** Ourselves, as one of the issuers whose tokens are accepted. Our own tokens have all claims of RFC 9068 2.2. */
export function createOwnIssuer(
  own: Pick<ClaimExpectations, 'issuer' | 'audience'>,
  keys: KeySource,
  clockToleranceMs: number,
): Issuer {
  const { issuer, audience } = own
  return {
    expectations: { issuer, audience, clockToleranceMs, profile: 'rfc9068' },
    keys,
    userIdPrefix: '',
    userIdClaim: 'sub',
  }
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message)
}
