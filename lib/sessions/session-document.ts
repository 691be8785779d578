import type { Filter } from 'mongodb'
import { MARK } from '../mongo/own-collection.js'

/** A session as stored: one document for each login. No token can be made from it. */
export interface SessionDocument {
  /** The session's id, `sid`. */
  readonly _id: string
  /** Marks the document as ours, and as a session. */
  readonly expressCustomUserData: 'session'
  /** The issuer and the client of the session's tokens. Other instances do not take its refresh tokens. */
  readonly issuer: string
  readonly clientId: string
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

/** The record of a user who was revoked or disabled, stored in the collection of the sessions. */
export interface UserRecordDocument {
  /** `user:`, a short digest of the issuer, and the user's id. */
  readonly _id: string
  /** Marks the document as ours, and as the record of a user. */
  readonly expressCustomUserData: 'user'
  /** The server's time of the last `revoke(userId)`, `logoutAll()`, `deleteSessions(userId)` or `disable(userId)`. */
  readonly revokedAt: Date | null
  /** The server's time of `disable(userId)`, until `enable(userId)`. */
  readonly disabledAt: Date | null
  /** When the server may remove the record; `null` while the user is disabled. */
  readonly expiresAt: Date | null
}

/**
 * Matches sessions that are neither over nor revoked. Every query for sessions that are alive contains this filter, so
 * expiry does not depend on when the server removes documents, and a document without the dates is no session.
 */
export function aliveAt(now: Date): Filter<SessionDocument> {
  return { revokedAt: null, expiresAt: { $gt: now }, idleExpiresAt: { $gt: now } }
}

/** Every filter contains it, so that only sessions of this issuer are found, changed or deleted. */
export function sessionsOf(issuer: string) {
  return { [MARK]: 'session', issuer: { $eq: issuer } } as const
}
