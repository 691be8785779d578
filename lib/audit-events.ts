/** A session and its user. */
export interface SessionEvent {
  /** The id of the user. */
  readonly userId: string
  /** The id of the session, as in the claim `sid` of its access tokens. */
  readonly sid: string
}

/** The address of the client that an event is about. */
interface FromAddress {
  /** The address of the client, `req.ip`; `undefined` if it is unknown. */
  readonly address: string | undefined
}

/** A session that began, or a session whose refresh token was stolen, with the address of the login or of the refresh. */
export interface SessionFromAddressEvent extends SessionEvent, FromAddress {}

/** An exchanged refresh token that came again and got the current refresh token of its session. */
export interface ReplayedEvent extends SessionEvent {
  /**
   * `false`: the client lost an answer, or sent parallel requests. `true`: the token after it was used already, so several
   * tabs refreshed within `reuseToleranceSeconds`, or a thief did.
   */
  readonly successorUsed: boolean
}

/** The accounts that a login named. */
interface NamedAccountsEvent {
  /**
   * The accounts that the login named, and the accounts whose passwords were checked. Empty if it named none. Each is a keyed
   * digest, as `accountDigest()` returns it, or the name itself with the option `accountsInEvents: 'clear'`.
   */
  readonly accounts: readonly string[]
}

/** A login that was refused. */
export interface LoginRefusedEvent extends NamedAccountsEvent, FromAddress {
  /** The code of the error, see {@link CustomUserDataError}. */
  readonly code: string
  /** The user whose credentials were right, but who was refused. Absent if the credentials were wrong. */
  readonly userId?: string
}

/** A login that was refused before its credentials were checked, or a refresh token before a query, for too many failures. */
export interface ThrottledEvent extends NamedAccountsEvent, FromAddress {
  /** The limit of `loginThrottle` that was reached. `refresh_tokens`: the address has sent too many that nobody issued. */
  readonly limit: 'account' | 'address' | 'account_and_address' | 'refresh_tokens'
  /** Seconds after which the client may try again. */
  readonly retryAfterSeconds: number
}

/** A refresh that was refused, also after `reuse_detected`. */
export interface RefreshRefusedEvent extends FromAddress {
  /**
   * `unknown`: this package did not make the token, or its session secret is no longer given. `ended`: the token was used, or
   * its session has ended.
   */
  readonly reason: 'unknown' | 'ended'
  /** The session of the token; `undefined` if the token is unknown. */
  readonly sid: string | undefined
}

/**
 * The method, or the route by the name of its method, that ended sessions. `login`: a login replaced its client's session.
 * `logout`: `logout()` or `endSession()`.
 */
export type RevokedBy =
  'login' | 'logout' | 'logoutAll' | 'ownSessions' | 'revoke' | 'disable' | 'deleteSessions' | 'eraseUser'

/** The end of one session, or of all sessions of a user. */
export interface RevokedEvent {
  /** The method or route that ended the sessions. */
  readonly by: RevokedBy
  /** The id of the user. */
  readonly userId: string
  /** The id of the session; absent if all sessions of the user were ended. */
  readonly sid?: string
}

/**
 * The end of one session, or of all sessions of a user, of which this process has learned. With `sid` one session has ended,
 * and `userId` is its user, if known: a deletion tells only the session. Without `sid` all sessions of the user have ended
 * that began before.
 */
export type SessionEndedEvent =
  | { readonly sid: string; readonly userId: string | undefined }
  | { readonly sid: undefined; readonly userId: string }

/** A write to a user's document. A write that MongoDB did not acknowledge in time is an error, and no event. */
export interface WrittenEvent {
  /** The id of the user. */
  readonly userId: string
  /** The method, the routes or the hook that wrote. */
  readonly by: 'forUser' | 'ownData' | 'createCustomData'
  /** The kind of change. An update or replacement with `upsert` may have created the document. */
  readonly change: 'create' | 'update' | 'replace' | 'delete'
}

/** A `DELETE` of `ownSessions()` for a session that is not the user's, or has ended. */
export interface SessionEndRefusedEvent extends FromAddress {
  /** The id of the user who asked. */
  readonly userId: string
  /** The session that the user named; `undefined` if the path held no session id. */
  readonly sid: string | undefined
}

/** A change of `ownData()` that named fields which users may not write. Nothing was written. */
export interface FieldsRefusedEvent extends FromAddress {
  /** The id of the user who asked. */
  readonly userId: string
  /** The names of the fields, as the client sent them: ten at most, each with 64 characters at most. */
  readonly fields: readonly string[]
}

/** Events of logins, sessions, writes and refused requests, for an audit log and for alerts. They are never printed. */
export interface AuditEvents {
  /** A session began. */
  login: [SessionFromAddressEvent]
  /**
   * A login was refused. Without `userId` the credentials were wrong. With it they were right, but a hook refused the user, or
   * the user is disabled, was revoked during the login, or has no document although `requireDocument` is on.
   */
  login_refused: [LoginRefusedEvent]
  /** A login was refused before its credentials were checked, or a refresh token before a query. */
  throttled: [ThrottledEvent]
  /** A refresh token was exchanged. */
  refreshed: [SessionEvent]
  /** A refresh token that was exchanged before came again, and got the current token of its session. */
  replayed: [ReplayedEvent]
  /** A refresh token that was exchanged before came again too late, so it may be stolen. The session has ended. */
  reuse_detected: [SessionFromAddressEvent]
  /** A refresh was answered with `invalid_grant`. */
  refresh_refused: [RefreshRefusedEvent]
  /** A login ended the least recently used session of its user, because the user had more than `maxSessionsPerUser`. */
  session_limit: [SessionEvent]
  /** This process ended one session, or all sessions of a user. */
  revoked: [RevokedEvent]
  /**
   * This process has learned that sessions have ended, and refuses their access tokens from now on: by a call or a route of its
   * own, by a change stream, or because it read an ended session. It also tells of sessions that only other processes served,
   * and may tell of one session again, for example when its document is removed. It may tell of a session that no client had:
   * one that `revoke({ sid })` named and nobody knew, or that of a login whose answer failed.
   *
   * @example
   * userData.events.on('session_ended', ({ sid, userId }) => {
   *   io.in(sid === undefined ? `user:${userId}` : `session:${sid}`).disconnectSockets(true)
   * })
   */
  session_ended: [SessionEndedEvent]
  /** `enable()` lets a user log in again. */
  enabled: [{ readonly userId: string }]
  /** `forUser()`, `ownData()` or the hook `createCustomData` wrote a user's document. */
  written: [WrittenEvent]
  /** A user tried to end a session with `ownSessions()` that is not theirs, or has ended. */
  session_end_refused: [SessionEndRefusedEvent]
  /** A user tried to write fields with `ownData()` that it does not allow. */
  fields_refused: [FieldsRefusedEvent]
  /** `replaceKeys()` replaced the keys. `kids` are the names of the new keys; the first signs. */
  keys_replaced: [{ readonly kids: readonly string[] }]
  /** `addTrustedIssuer()` made this instance accept the tokens of another issuer. */
  trusted_issuer_added: [{ readonly issuer: string }]
  /** `removeTrustedIssuer()` made this instance refuse the tokens of an issuer. */
  trusted_issuer_removed: [{ readonly issuer: string }]
}
