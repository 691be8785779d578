import type { LoginStart } from './login-start.js'
import { NewSession } from './new-session.js'
import type { OpenSession } from './new-session.js'
import { RefreshExchange } from './refresh-exchange.js'
import type { ExchangeConfig, RecognisedToken, SessionSecrets } from './refresh-exchange.js'
import { hashRefreshToken, isSealed, parseRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import { invalidGrant } from './session-errors.js'
import type { SessionDocument, SessionOrigin, SessionStore } from './session-store.js'
import type { UserRecords } from './user-records.js'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'

/** A session as its user sees it. */
export interface SessionInfo extends SessionOrigin {
  /** The session's id, which `revoke({ sid })` takes. */
  readonly sid: string
  /** The time of the login. */
  readonly createdAt: Date
  /** The time of the last refresh, or of the login. */
  readonly lastUsedAt: Date
  /** When the session ends at the latest. It ends earlier if it is not used or is revoked. */
  readonly expiresAt: Date
}

interface SessionsParts {
  readonly store: SessionStore
  readonly userRecords: UserRecords
  readonly secrets: SessionSecrets
  readonly revocations: Revocations
  readonly events: Events
  readonly clock: Clock
}

/** Creates the sessions of one instance. */
export function createSessions(config: ExchangeConfig, parts: SessionsParts): Sessions {
  return new Sessions(config, parts)
}

/** Sessions from login to logout. This class knows the rules, and the store knows MongoDB. */
export class Sessions {
  readonly #parts: SessionsParts
  readonly #refreshes: RefreshExchange

  constructor(config: ExchangeConfig, parts: SessionsParts) {
    this.#parts = parts
    this.#refreshes = new RefreshExchange(config, parts)
  }

  /** Begins to store a session for a login that began at `start`. The session works only after its `open()`. */
  begin(userId: string, origin: SessionOrigin, start: LoginStart): NewSession {
    const { store, userRecords, secrets, events } = this.#parts
    return new NewSession({ userId, origin, start }, { store, userRecords, secret: secrets[0], events })
  }

  /** The user of the session that a refresh token names. The token may be invalid. Rejects with `invalid_grant`. */
  async peek(refreshToken: string): Promise<string> {
    const session = await this.#refreshes.find(parseOrRefuse(refreshToken))
    if (!session) throw invalidGrant()
    return session.userId
  }

  /** Finds the session that is alive and that a refresh token belongs to. Changes nothing and emits no event. */
  recognise(refreshToken: string): Promise<RecognisedToken | undefined> {
    return this.#refreshes.recognise(refreshToken)
  }

  /** Whether a text has the form of a refresh token, and the seal of this package. Sends no query. */
  inspect(refreshToken: string): 'sealed' | 'unsealed' | 'malformed' {
    const token = parseRefreshToken(refreshToken)
    if (!token) return 'malformed'
    return isSealed(token, this.#parts.secrets) ? 'sealed' : 'unsealed'
  }

  /** Whether a token is stored with its session. Such a token counts even if the secret of its seal is no longer given. */
  async isStored(refreshToken: string): Promise<boolean> {
    const token = parseRefreshToken(refreshToken)
    const session = token && (await this.#refreshes.find(token))
    return token !== undefined && [session?.current, session?.previous].includes(hashRefreshToken(token))
  }

  /** Exchanges a refresh token. Rejects with `invalid_grant`. A token that was stolen ends its session. */
  async exchange(refreshToken: string): Promise<OpenSession> {
    return this.#refreshes.exchange(parseOrRefuse(refreshToken))
  }

  /** Ends the session of a refresh token of ours, however old. Resolves to its user if this call ended it. */
  async end(refreshToken: string): Promise<string | undefined> {
    const token = parseRefreshToken(refreshToken)
    if (!token) return undefined
    // Old tokens count too: another tab may have exchanged this one twice, and its user wants to be out.
    const isOurs = isSealed(token, this.#parts.secrets) || (await this.isStored(refreshToken))
    return isOurs ? this.#revoke(token.sid) : undefined
  }

  /** The sessions of a user that are alive, newest first. */
  async list(userId: string): Promise<SessionInfo[]> {
    return (await this.#parts.store.list(userId)).map(toInfo)
  }

  /** Ends one session, but only if it belongs to `userId` where that is given. Resolves to whether this call ended it. */
  async revokeSession(sid: string, userId?: string): Promise<boolean> {
    return (await this.#revoke(sid, userId)) !== undefined
  }

  /** Ends all sessions of a user, also those of logins in progress. A login that begins after it has resolved works. */
  revokeUser(userId: string): Promise<void> {
    const { store, userRecords } = this.#parts
    return this.#endAll(userId, userRecords.revoke(userId), () => store.revokeAll(userId))
  }

  /** Ends all sessions like `revokeUser()`, and refuses the user's logins until `enableUser()`. */
  disableUser(userId: string): Promise<void> {
    const { store, userRecords } = this.#parts
    return this.#endAll(userId, userRecords.disable(userId), () => store.revokeAll(userId))
  }

  /** Lets a disabled user log in again. */
  enableUser(userId: string): Promise<void> {
    return this.#parts.userRecords.enable(userId)
  }

  /** Ends all sessions like `revokeUser()`, and removes their documents. */
  deleteUser(userId: string): Promise<void> {
    const { store, userRecords } = this.#parts
    return this.#endAll(userId, userRecords.revoke(userId), () => store.deleteAll(userId))
  }

  /** Resolves to the user of the session if this call ended it. */
  async #revoke(sid: string, userId?: string): Promise<string | undefined> {
    const { store, revocations, events } = this.#parts
    const owner = await store.revoke(sid, userId)
    // A session that had ended before, here or in another process, may have access tokens that live on.
    if (owner !== undefined || userId === undefined) revocations.revokeSession(sid)
    if (owner !== undefined) events.emit('revoked', { sid })
    return owner
  }

  /**
   * The record is written first. If a login inserts its session too late to be ended here, the login finds the record.
   * The answer waits for the server's clock, so that a login that begins after the answer is not refused.
   */
  async #endAll(userId: string, revocation: Promise<number>, end: () => Promise<string[]>): Promise<void> {
    const { userRecords, revocations, events } = this.#parts
    const revokedAt = await revocation
    revocations.revokeUser(userId, revokedAt)
    const [sids] = await Promise.all([end(), userRecords.passed(userId, revokedAt)])
    for (const sid of sids) revocations.revokeSession(sid)
    events.emit('revoked', { userId })
  }
}

function parseOrRefuse(refreshToken: string): RefreshToken {
  const token = parseRefreshToken(refreshToken)
  if (!token) throw invalidGrant()
  return token
}

function toInfo(session: SessionDocument): SessionInfo {
  const { _id: sid, createdAt, lastUsedAt, expiresAt, device, address } = session
  return { sid, createdAt, lastUsedAt, expiresAt, device, address }
}
