import type { LoginStart } from './login-start.js'
import { NewSession } from './new-session.js'
import type { OpenSession } from './new-session.js'
import { RefreshExchange } from './refresh-exchange.js'
import type { ExchangeConfig, ExchangedToken, RecognisedToken, SessionOwner } from './refresh-exchange.js'
import { isSealed, parseRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import { invalidGrant } from './session-errors.js'
import type { BegunSession, ListedSession, SessionDetails, SessionOrigin } from './session-document.js'
import type { SessionSecrets } from './session-secrets.js'
import type { SessionStore } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords } from './user-records.js'
import type { BackgroundWork } from '../util/background-work.js'
import { describeForLog } from '../util/redaction.js'
import type { Clock } from '../util/clock.js'
import type { RevokedBy } from '../audit-events.js'
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
  readonly secrets: () => SessionSecrets
  readonly revocations: Revocations
  readonly events: Events
  readonly clock: Clock
  readonly backgroundWork: BackgroundWork
}

/** The rules of sessions. */
export interface SessionsConfig extends ExchangeConfig {
  /** The most sessions that a user may have, or `false`. */
  readonly maxSessionsPerUser: number | false
  /** Seconds without use until a session ends; not more than seconds from its login until it ends. */
  readonly refreshTokenIdleSeconds: number
}

/** How many sessions one login ends at most. If there are more, which is so when the limit is new, later logins go on. */
const MAX_ENDED_BY_LOGIN = 100

const MINUTE_MS = 60_000

/** Sessions from login to logout. This class knows the rules, and the store knows MongoDB. */
export class Sessions {
  readonly #config: SessionsConfig
  readonly #parts: SessionsParts
  readonly #refreshes: RefreshExchange

  constructor(config: SessionsConfig, parts: SessionsParts) {
    this.#config = config
    this.#parts = parts
    this.#refreshes = new RefreshExchange(config, parts)
  }

  /** Begins to store a session for a login that began at `start`. The session works only after its `open()`. */
  begin(userId: string, details: SessionDetails, start: LoginStart): NewSession {
    const { store, userRecords, secrets, events } = this.#parts
    const endsInMs = this.#config.refreshTokenIdleSeconds * 1000
    return new NewSession(
      { userId, details, start, endsInMs },
      { store, userRecords, secret: secrets()[0], events },
    )
  }

  /**
   * Ends the least recently used sessions of a user who has more than are allowed, but not the session that has just begun.
   * Call it after a login. Its answer does not wait.
   */
  limit(begun: BegunSession, max = this.#config.maxSessionsPerUser): void {
    if (max !== false) this.#parts.backgroundWork.start(() => this.#limit(begun, max))
  }

  async #limit(begun: BegunSession, max: number): Promise<void> {
    const { userId } = begun
    const { store, revocations, events, backgroundWork } = this.#parts
    try {
      const beyond = { kept: max, most: MAX_ENDED_BY_LOGIN }
      for (const sid of await store.leastRecentlyUsed(begun, beyond)) {
        if (backgroundWork.mustEnd) return
        if ((await store.revoke(sid, userId)) === undefined) continue
        revocations.revokeSession(sid, userId)
        events.emit('session_limit', { userId, sid })
      }
    } catch (error) {
      const message =
        'The limit maxSessionsPerUser could not be applied after a login, so a user may have too many sessions until the next ' +
        `login: ${describeForLog(error)}`
      events.warn({ code: 'session_limit_failed', message, userId })
    }
  }

  /** Finds the session that is alive and that a refresh token belongs to. Changes nothing and emits no event. */
  recognise(refreshToken: string): Promise<RecognisedToken | undefined> {
    return this.#refreshes.recognise(refreshToken)
  }

  /** The session of a refresh token that its client may use, as `RefreshExchange.identify()`. */
  identify(refreshToken: string): Promise<SessionOwner | undefined> {
    return this.#refreshes.identify(refreshToken)
  }

  /** The session of a user, if it is alive. Rejects with `session_not_found` otherwise. */
  reopen(userId: string, sid: string): Promise<Omit<OpenSession, 'refreshToken'>> {
    return this.#refreshes.reopen(userId, sid)
  }

  /**
   * The session's id in a text with the form of a refresh token, and whether the token has the seal of this package.
   * `undefined` for other texts. Sends no query.
   */
  inspect(refreshToken: string): { readonly sid: string; readonly isSealed: boolean } | undefined {
    const token = parseRefreshToken(refreshToken)
    return token && { sid: token.sid, isSealed: isSealed(token, this.#parts.secrets()) }
  }

  /** Whether a text is a refresh token of a session, however old. Rejects with `session_secret_unknown` if in doubt. */
  async isOurs(refreshToken: string): Promise<boolean> {
    const token = parseRefreshToken(refreshToken)
    return token !== undefined && this.#refreshes.isOurs(token)
  }

  /** Exchanges a refresh token. A token that was stolen ends its session. Rejects as `RefreshExchange.exchange()` does. */
  async exchange(refreshToken: string, address?: string): Promise<ExchangedToken> {
    return this.#refreshes.exchange(parseOrRefuse(refreshToken), address)
  }

  /**
   * Ends the session of a refresh token of ours, however old: another tab may have exchanged it, and its user wants to be
   * out. Resolves to its user if this call ended it. Rejects with `session_secret_unknown` if in doubt.
   */
  async end(refreshToken: string, by: 'login' | 'logout'): Promise<string | undefined> {
    const token = parseRefreshToken(refreshToken)
    return token && (await this.#refreshes.isOurs(token)) ? this.#revoke(token.sid, by) : undefined
  }

  /** Ends the session of an access token of ours. Resolves to its user if this call ended it. */
  endSid(sid: string, by: 'login' | 'logout'): Promise<string | undefined> {
    return this.#revoke(sid, by)
  }

  /**
   * Whether the session of a refresh token ended more than a minute ago. After a minute the login that may have ended the
   * session has been answered, so its client has the new cookie. A session whose document was deleted counts as ended more
   * than a minute ago once this process no longer remembers its end.
   */
  async isLongOver(refreshToken: string): Promise<boolean> {
    const { store, revocations, clock } = this.#parts
    const token = parseRefreshToken(refreshToken)
    if (!token) return true
    const ended = await store.endedBefore(token.sid, new Date(clock.now() - MINUTE_MS))
    return ended ?? !revocations.remembersSession(token.sid)
  }

  /** The sessions of a user that are alive, newest first, at most 1,000. */
  async list(userId: string): Promise<SessionInfo[]> {
    const { store, userRecords } = this.#parts
    const [sessions, standing] = await Promise.all([store.list(userId), userRecords.find(userId)])
    return sessions.filter(({ storedAt }) => !endedWithAll(storedAt, standing)).map(toInfo)
  }

  /** Ends one session, but only if it belongs to `userId` where that is given. Resolves to whether this call ended it. */
  async revokeSession(sid: string, by: 'revoke' | 'ownSessions', userId?: string): Promise<boolean> {
    return (await this.#revoke(sid, by, userId)) !== undefined
  }

  /** Resolves to the user of the session if this call ended it. */
  async #revoke(sid: string, by: RevokedBy, userId?: string): Promise<string | undefined> {
    const { store, revocations, events } = this.#parts
    const owner = await store.revoke(sid, userId)
    // A session that had ended before, here or in another process, may have access tokens that live on.
    if (owner !== undefined || userId === undefined) revocations.revokeSession(sid, owner)
    if (owner !== undefined) events.emit('revoked', { by, userId: owner, sid })
    return owner
  }
}

function parseOrRefuse(refreshToken: string): RefreshToken {
  const token = parseRefreshToken(refreshToken)
  if (!token) throw invalidGrant()
  return token
}

function toInfo(session: ListedSession): SessionInfo {
  const { _id: sid, createdAt, lastUsedAt, expiresAt, device, address } = session
  return { sid, createdAt, lastUsedAt, expiresAt, device, address }
}
