import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { isSubject } from './claims.js'
import type { ClaimExpectations } from './claims.js'
import type { ClaimsSet } from './compact-jws.js'
import type { KeySource } from './keys.js'

/** An issuer whose tokens are accepted: we ourselves, or an issuer that the team trusts. */
export interface Issuer {
  readonly expectations: ClaimExpectations
  readonly keys: KeySource
  /** Put before the user's id, so that users of two issuers never have the same id. Empty for at most one issuer. */
  readonly userIdPrefix: string
  /** The names that lead to the claim with the user's id: `['sub']`, unless the team names another one. */
  readonly userIdClaim: readonly string[]
}

/** All issuers whose tokens are accepted. */
export type Issuers = ReturnType<typeof createIssuers>

/** Creates the registry of issuers. The options have been checked, so no two issuers overlap. */
export function createIssuers(list: readonly Issuer[]) {
  const byName = new Map<string, Issuer>()
  let prefixes: readonly string[] = []

  /** Trusts an issuer from now on, or no longer. */
  function set(name: string, issuer: Issuer | undefined): void {
    if (issuer) byName.set(name, issuer)
    else byName.delete(name)
    prefixes = Array.from(byName.values(), ({ userIdPrefix }) => userIdPrefix).filter(prefix => prefix !== '')
  }
  for (const issuer of list) set(issuer.expectations.issuer, issuer)

  /** Whether an id belongs to a trusted issuer whose users have a prefix. */
  function isForeign(userId: string): boolean {
    return prefixes.some(prefix => userId.startsWith(prefix))
  }

  return {
    /** Trusts another issuer. The caller has checked that it overlaps with no other. */
    add: (issuer: Issuer): void => {
      set(issuer.expectations.issuer, issuer)
    },
    /** Trusts an issuer no longer. */
    remove: (name: string): void => {
      set(name, undefined)
    },
    /**
     * Finds the issuer that a payload names. This happens before anything in the payload is trusted.
     * @throws `invalid_token`
     */
    of({ iss }: ClaimsSet): Issuer {
      if (iss === undefined || iss === null) throw refused('The access token has no iss.')
      const issuer = typeof iss === 'string' ? byName.get(iss) : undefined
      if (!issuer) throw refused('The access token is from another issuer.')
      return issuer
    },
    /**
     * Returns the user's id in this instance, from verified claims.
     * @throws `invalid_token`
     */
    toUserId({ userIdPrefix, userIdClaim }: Issuer, claims: AccessTokenClaims): string {
      const id = claimAt(claims, userIdClaim)
      if (!isSubject(id)) throw refused('The access token names no user.')
      // RFC 9068 section 5: the token of a client itself must not be accepted as the token of a user.
      if (claims.client_id !== undefined && claims.client_id === claims.sub) {
        throw refused("The access token is a client's own, not a user's.")
      }
      if (userIdPrefix === '' && isForeign(id))
        throw refused('The access token names a user of another issuer.')
      return userIdPrefix + id
    },
    isForeign,
    /**
     * Whether an issuer is trusted now and may name this user. Issuers are added and removed while tokens are in use, so an
     * answer from the verification of a token does not stay right.
     */
    mayName(issuer: string, userId: string): boolean {
      const prefix = byName.get(issuer)?.userIdPrefix
      if (prefix === undefined) return false
      return prefix === '' ? !isForeign(userId) : userId.startsWith(prefix)
    },
    /** Whether a value can be a user's id: the prefix of an issuer, or none, and a text as in {@link isSubject}. */
    isUserId(value: unknown): value is string {
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
    userIdClaim: ['sub'],
  }
}

/** The claim to which names lead, each inside the one before; `undefined` if there is none. */
export function claimAt(claims: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    // Inherited members, such as `constructor`, are no claims.
    return isObject && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
  }, claims)
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message)
}
