import { CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { AccessTokenClaims } from '../types.js'
import { refusalByTime } from './revocations.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords, UserStanding } from './user-records.js'

interface TokenStatusParts {
  readonly store: Pick<SessionStore, 'find'>
  readonly userRecords: Pick<UserRecords, 'find'>
  readonly revocations: Pick<Revocations, 'revokeSession' | 'noteDisabled'>
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

  function refuse(message: string, userId: string, { isDisabled }: UserStanding): CustomUserDataError {
    // The next requests with the token are refused without a read, and their reports tell the same reason.
    if (isDisabled) revocations.noteDisabled(userId, true)
    const error = new CustomUserDataError('invalid_token', message)
    return noteRefusal(error, { userId, reason: isDisabled ? 'disabled' : 'revoked' })
  }

  return async (userId, claims) => {
    if (claims.iss === ownIssuer) {
      if (claims.sid === undefined) return
      const [session, standing] = await Promise.all([store.find(claims.sid), userRecords.find(userId)])
      if (session && !endedWithAll(session.storedAt, standing)) return
      // The next request with the token is refused without a read.
      revocations.revokeSession(claims.sid, userId)
      throw refuse('The session of the access token has ended.', userId, standing)
    }
    const standing = await userRecords.find(userId)
    const { isDisabled, revokedAt } = standing
    if (isDisabled) throw refuse('The user of the access token is disabled.', userId, standing)
    const error = revokedAt === undefined ? undefined : refusalByTime(claims, revokedAt, clockToleranceMs)
    if (error) throw noteRefusal(error, { userId, reason: 'revoked' })
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
