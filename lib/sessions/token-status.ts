import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import { requireIssuedAfter } from './revocations.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords } from './user-records.js'

interface TokenStatusParts {
  readonly store: Pick<SessionStore, 'find'>
  readonly userRecords: Pick<UserRecords, 'find'>
  readonly revocations: Pick<Revocations, 'revokeSession'>
  readonly ownIssuer: string | undefined
  readonly clockToleranceMs: number
}

/**
 * Reads from MongoDB whether a verified access token is revoked. Rejects with `invalid_token` if it is, and with
 * `sessions_unavailable` if MongoDB is away.
 */
export type RequireActive = (userId: string, claims: AccessTokenClaims) => Promise<void>

/**
 * Creates the reader. Our own token is valid as long as its session is. The sessions of trusted issuers are unknown here,
 * so their tokens are judged by the record of the user.
 */
export function createTokenStatus(parts: TokenStatusParts): RequireActive {
  const { store, userRecords, revocations, ownIssuer, clockToleranceMs } = parts

  return async (userId, claims) => {
    if (claims.iss === ownIssuer) {
      if (claims.sid === undefined) return
      const [session, standing] = await Promise.all([store.find(claims.sid), userRecords.find(userId)])
      if (session && !endedWithAll(session.storedAt, standing)) return
      // The next request with the token is refused without a read.
      revocations.revokeSession(claims.sid)
      throw refused('The session of the access token has ended.')
    }
    const { isDisabled, revokedAt } = await userRecords.find(userId)
    if (isDisabled) throw refused('The user of the access token is disabled.')
    if (revokedAt !== undefined) requireIssuedAfter(claims, revokedAt, clockToleranceMs)
  }
}

/**
 * Gives the check that must pass before a load is served; `undefined` if there is nothing to check. It is asked at the start
 * of each load, because a load may be repeated after a revocation.
 */
export type LoadCheck = (userId: string, claims: AccessTokenClaims) => Promise<void> | undefined

/**
 * Creates the check of loads. Each load for a trusted issuer's user reads the record of the user, because only the record
 * tells other processes that the user was disabled. For our own token the session is read while no stream reports its end.
 *
 * @param readsSession whether a load for this token of ours reads the session
 */
export function createLoadCheck(
  requireActive: RequireActive,
  ownIssuer: string | undefined,
  readsSession: (userId: string, claims: AccessTokenClaims) => boolean,
): LoadCheck {
  return (userId, claims) =>
    claims.iss === ownIssuer && !readsSession(userId, claims) ? undefined : requireActive(userId, claims)
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_token', message)
}
