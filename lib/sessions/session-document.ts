import type { Document } from 'mongodb'
import { MARK } from '../mongo/own-collection.js'
import { hashRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { SessionScope } from './session-scope.js'

/** A session as stored: one document for each login. No token can be made from it. */
export interface SessionDocument extends SessionOrigin {
  /** The session's id, `sid`. */
  readonly _id: string
  /** Marks the document as ours, and as a session. */
  readonly expressCustomUserData: 'session'
  /** The issuer and the client of the session's tokens. Other instances do not take its refresh tokens. */
  readonly issuer: string
  readonly clientId: string
  readonly userId: string
  /** SHA-256 of the current refresh token. */
  readonly current: string
  /** SHA-256 of the token that was exchanged for the current one, if any. */
  readonly previous: string | null
  /** How the current token was issued, and the tokens of the last two minutes before it, newest first. */
  readonly issues: readonly TokenIssue[]
  /** How often the token was exchanged. */
  readonly generation: number
  readonly createdAt: Date
  /** The database server's time when the session was stored. It is compared with the time of a revocation. */
  readonly storedAt: Date
  readonly lastUsedAt: Date
  /** When the session ends if it is not used before. */
  readonly idleExpiresAt: Date
  /** When the session ends at the latest: no exchange moves this date (RFC 9700 4.14.2, ASVS 10.4.8). */
  readonly expiresAt: Date
  readonly revokedAt: Date | null
  /** Whether the cookie of the session outlives the browser. A login decides it, and each refresh sets the cookie again. */
  readonly persistent: boolean
  /** Whether a refresh gives a new refresh token; `null`: as the option of the instance says at the refresh. */
  readonly rotates: boolean | null
  /** Seconds that the session lives without a refresh; `null`: as the option of the instance says at the refresh. */
  readonly idleSeconds: number | null
  /** Claims that each access token of the session has, besides the usual ones. */
  readonly claims: SessionClaims
}

/**
 * Claims of all access tokens of one session: texts, numbers and booleans, for example the way in which the user logged in.
 *
 * @example { provider: 'password', mfa: true }
 */
export type SessionClaims = Readonly<Record<string, string | number | boolean>>

/** The properties of a session that its login decides. */
export interface SessionDetails extends SessionOrigin {
  readonly persistent: boolean
  readonly rotates: boolean | null
  /** Seconds that the session lives from its login; `null`: as the option of the instance says. */
  readonly ttlSeconds: number | null
  readonly idleSeconds: number | null
  readonly claims: SessionClaims
}

/** How one refresh token of a session was issued. The token before it was exchanged at the same moment. */
export interface TokenIssue {
  /** The database server's time, because the clocks of an app's processes differ. */
  readonly issuedAt: Date
  /** The name of the session secret that made the token. */
  readonly secretName: string
}

/** Details of the login by which users recognise their sessions. */
export interface SessionOrigin {
  /** A label such as `Firefox on Linux`. */
  readonly device: string | null
  /** The client's IP address. */
  readonly address: string | null
}

/** A session that begins. */
export interface SessionToStore extends SessionDetails {
  readonly token: RefreshToken
  readonly userId: string
  readonly secretName: string
}

/** What `list()` reads of a session: nothing that could be compared with a token. */
export type ListedSession = Pick<
  SessionDocument,
  '_id' | 'createdAt' | 'storedAt' | 'lastUsedAt' | 'expiresAt' | 'device' | 'address'
>

/** A session that `endBatch()` or `deleteBatch()` has ended. */
export type EndedSession = Pick<SessionDocument, '_id' | 'lastUsedAt'>

/** A session that has just begun. */
export interface BegunSession {
  readonly sid: string
  readonly userId: string
  /** The database server's time when the session was stored, in milliseconds. */
  readonly storedAt: number
}

/** The longest time in which an exchanged refresh token can be answered although its successor was used. */
export const MAX_REUSE_TOLERANCE_SECONDS = 120

/** Issues are kept for the longest tolerance, because processes may have different options during a deploy. */
const ISSUES_KEPT_MS = MAX_REUSE_TOLERANCE_SECONDS * 1000

/**
 * The most issues that are kept, so that a client that refreshes in a loop does not fill its document. A browser does not
 * reach it: each tab or parallel request of a page exchanges one token. An older token counts as stolen.
 */
const MAX_ISSUES = 100

const EARLIER_ISSUES = {
  $filter: {
    input: { $cond: [{ $isArray: ['$issues'] }, '$issues', []] },
    cond: { $gt: ['$$this.issuedAt', { $subtract: ['$$NOW', ISSUES_KEPT_MS] }] },
  },
}

/** The issues of a session with one more that happens now, as an expression of MongoDB. */
export function withIssue(secretName: string): Document {
  return {
    $slice: [
      { $concatArrays: [[{ issuedAt: '$$NOW', secretName: { $literal: secretName } }], EARLIER_ISSUES] },
      MAX_ISSUES,
    ],
  }
}

interface SessionLife extends SessionScope {
  readonly now: Date
  readonly idleExpiresAt: Date
  readonly expiresAt: Date
}

/** The document of a session that begins, as an expression of MongoDB: the server adds its time. */
export function toNewDocument(
  { token, userId, secretName, device, address, persistent, rotates, idleSeconds, claims }: SessionToStore,
  { issuer, clientId, now, idleExpiresAt, expiresAt }: SessionLife,
): Document {
  const known: Omit<SessionDocument, 'storedAt' | 'issues'> = {
    _id: token.sid,
    [MARK]: 'session',
    issuer,
    clientId,
    userId,
    current: hashRefreshToken(token),
    previous: null,
    generation: token.generation,
    createdAt: now,
    lastUsedAt: now,
    idleExpiresAt,
    expiresAt,
    revokedAt: null,
    device,
    address,
    persistent,
    rotates,
    idleSeconds,
    claims,
  }
  const timed = { storedAt: '$$NOW', issues: [{ issuedAt: '$$NOW', secretName: { $literal: secretName } }] }
  return { $mergeObjects: [{ $literal: known }, timed] }
}
