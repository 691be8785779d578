import type { Filter } from 'mongodb'

/** A session as stored: one document for each login. No token can be made from it. */
export interface SessionDocument {
  /** The session's id, `sid`. */
  readonly _id: string
  readonly userId: string
  /** SHA-256 of the refresh token that is good now. */
  readonly current: string
  /** SHA-256 of the one that it was exchanged for, if any. */
  readonly previous: string | null
  /** The session secret that `current` was derived with. */
  readonly secretName: string
  /** How often the token was exchanged. */
  readonly generation: number
  readonly createdAt: Date
  readonly rotatedAt: Date
  readonly lastUsedAt: Date
  /** When the session ends if it is not used before. */
  readonly idleExpiresAt: Date
  /** When it ends whatever happens: no exchange moves it (RFC 9700 4.14.2, ASVS 10.4.8). */
  readonly expiresAt: Date
  readonly revokedAt: Date | null
  /** What the login came from, for the user to recognise it: `Firefox on Linux`. */
  readonly device: string | null
  readonly address: string | null
}

/** A user whose logins are refused, kept beside the sessions. */
export interface DisabledUserDocument {
  /** `disabled:` and the user's id. */
  readonly _id: string
  readonly disabledAt: Date
}

/**
 * Sessions that are neither over nor revoked. Part of every query, so that expiry never depends on when the server
 * cleans up, and so that a document without the dates is no session.
 */
export function aliveAt(now: Date): Filter<SessionDocument> {
  return { revokedAt: null, expiresAt: { $gt: now }, idleExpiresAt: { $gt: now } }
}
