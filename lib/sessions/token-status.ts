import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { requireIssuedAfter } from './revocations.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'
import type { UserRecords } from './user-records.js'

/** What the status of access tokens is read from. */
export interface TokenStatusParts {
  readonly store: Pick<SessionStore, 'find'>
  readonly userRecords: Pick<UserRecords, 'find'>
  readonly revocations: Pick<Revocations, 'revokeSession'>
  readonly ownIssuer: string | undefined
  readonly clockToleranceMs: number
}

/**
 * Reads from MongoDB whether a verified access token is revoked. Rejects with `invalid_token` where it is, and with
 * `sessions_unavailable` where MongoDB is away.
 */
export type RequireActive = (userId: string, claims: AccessTokenClaims) => Promise<void>

/**
 * Creates the reader. A token of ours is as good as its session. Trusted issuers name sessions of their own, of which
 * nothing is known here, so a token of theirs is judged by the record of its user.
 */
export function createTokenStatus(parts: TokenStatusParts): RequireActive {
  const { store, userRecords, revocations, ownIssuer, clockToleranceMs } = parts

  return async (userId, claims) => {
    if (claims.iss === ownIssuer) {
      if (claims.sid === undefined || (await store.find(claims.sid))) return
      // The next request with the token is refused without a read.
      revocations.revokeSession(claims.sid)
      throw refused('The session of the access token has ended.')
    }
    const { isDisabled, revokedAt } = await userRecords.find(userId)
    if (isDisabled) throw refused('The user of the access token is disabled.')
    if (revokedAt !== undefined) requireIssuedAfter(claims, revokedAt, clockToleranceMs)
  }
}

/** What must hold for a load to be served, beside the load itself; `undefined` where nothing more must. */
export type LoadCheck = (userId: string, claims: AccessTokenClaims) => (() => Promise<void>) | undefined

/**
 * Creates the check of loads. The record of a trusted issuer's user is read with each load, because it alone tells another
 * process that the user was disabled. The session of our own token is read as long as no stream tells of its end.
 *
 * @param readsSession whether a load for this token of ours reads the session
 */
export function createLoadCheck(
  requireActive: RequireActive,
  ownIssuer: string | undefined,
  readsSession: (userId: string, claims: AccessTokenClaims) => boolean,
): LoadCheck {
  return (userId, claims) =>
    claims.iss === ownIssuer && !readsSession(userId, claims)
      ? undefined
      : () => requireActive(userId, claims)
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message)
}
