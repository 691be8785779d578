import { isSubject, verifyClaims, verifyTyp } from './claims.js'
import { parseClaimsSet, parseCompactJws } from './compact-jws.js'
import type { ClaimsSet } from './compact-jws.js'
import { claimAt } from './issuers.js'
import type { Issuer, Issuers } from './issuers.js'
import type { CandidateKeys } from './keys.js'
import type { AccessTokenKey } from './keys.js'
import type { Clock } from '../util/clock.js'
import { CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { AccessTokenClaims } from '../types.js'
import { verifySignature } from './verify-signature.js'

/** A token that passed every check. */
export interface VerifiedToken {
  /** The user's id, with the prefix of the token's issuer. */
  readonly userId: string
  readonly claims: AccessTokenClaims
  readonly key: AccessTokenKey
}

/** Verifies an access token. Rejects with `invalid_token`, or with `keys_unavailable`. */
export type TokenVerifier = (token: string) => Promise<VerifiedToken>

/**
 * Creates the verifier. The order of the checks matters: cheap checks come first, the issuer is found before any key
 * (RFC 8725 3.8), and the signature is verified before any claim is trusted.
 */
export function createTokenVerifier(maxTokenLength: number, issuers: Issuers, clock: Clock): TokenVerifier {
  return async token => {
    if (token.length > maxTokenLength) throw tooLong()
    const { header, payload } = parseCompactJws(token)
    const claimsSet = parseClaimsSet(payload)
    const issuer = issuers.of(claimsSet)
    verifyTyp(header.typ, issuer.expectations.profile)
    const candidates = issuer.keys.find(header) ?? (await issuer.keys.load(header))
    const key = await verifyWithOneOf(token, candidates)
    try {
      const claims = verifyClaims(claimsSet, issuer.expectations, clock.now())
      return { userId: issuers.toUserId(issuer, claims), claims, key }
    } catch (error) {
      throw noteRefusal(error, { userId: signedUserId(claimsSet, issuer) })
    }
  }
}

/** The id of the user in a token whose signature is right but which is refused, for example because it has expired. */
function signedUserId(claimsSet: ClaimsSet, { userIdClaim, userIdPrefix }: Issuer): string | undefined {
  const id = claimAt(claimsSet, userIdClaim)
  return isSubject(id) ? userIdPrefix + id : undefined
}

/** Returns the key that signed the token. There are several candidates if keys have the same name, or none. */
export function verifyWithOneOf(token: string, [first, ...others]: CandidateKeys): Promise<AccessTokenKey> {
  const verified = verifySignature(token, first)
  return others.reduce((before, key) => before.catch(() => verifySignature(token, key)), verified)
}

function tooLong(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token is too long.')
}
