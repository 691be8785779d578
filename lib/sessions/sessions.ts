import { isDate } from 'node:util/types'
import type { LoginStart } from './login-start.js'
import { NewSession } from './new-session.js'
import { RefreshExchange } from './refresh-exchange.js'
import type { ExchangeConfig, ExchangedToken, RecognisedToken } from './refresh-exchange.js'
import { isSealed, parseRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import { invalidGrant } from './session-errors.js'
import type { BegunSession, EndedSession, ListedSession, SessionOrigin } from './session-document.js'
import type { SessionSecrets } from './session-secrets.js'
import { BATCH_SIZE } from './session-store.js'
import type { SessionStore } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords } from './user-records.js'
import type { BackgroundWork } from '../util/background-work.js'
import { describeForLog } from '../util/redaction.js'
import type { Clock } from '../util/clock.js'
import type { RevokedBy, RevokedEvent } from '../audit-events.js'
import { CustomUserDataError } from '../errors.js'
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
  /** Milliseconds that an access token may be valid, with the tolerance of clocks. */
  readonly accessTokenMs: number
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
  begin(userId: string, origin: SessionOrigin, start: LoginStart, persistent: boolean): NewSession {
    const { store, userRecords, secrets, events } = this.#parts
    const lifetime = { endsInMs: this.#config.refreshTokenIdleSeconds * 1000, persistent }
    return new NewSession(
      { userId, origin, start, lifetime },
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

  /** Ends all sessions of a user, also those of logins in progress. A login that begins after it has resolved works. */
  revokeUser(userId: string, by: 'revoke' | 'logoutAll'): Promise<void> {
    const { store, userRecords } = this.#parts
    return this.#endAll({ userId, by }, userRecords.revoke(userId), until => store.endBatch(userId, until))
  }

  /** Ends all sessions like `revokeUser()`, and refuses the user's logins until `enableUser()`. */
  disableUser(userId: string): Promise<void> {
    const { store, userRecords, revocations } = this.#parts
    const event = { userId, by: 'disable' } as const
    revocations.noteDisabled(userId, true)
    return this.#endAll(event, userRecords.disable(userId), until => store.endBatch(userId, until))
  }

  /** Lets a disabled user log in again. */
  async enableUser(userId: string): Promise<void> {
    const { userRecords, revocations, events } = this.#parts
    await userRecords.enable(userId)
    revocations.noteDisabled(userId, false)
    events.emit('enabled', { userId })
  }

  /**
   * Ends all sessions like `revokeUser()`, and removes their documents afterwards. `onRemoved` is called then, unless this call
   * removed none.
   */
  deleteUser(userId: string, onRemoved: () => void): Promise<void> {
    const { store, userRecords } = this.#parts
    const event = { userId, by: 'deleteSessions' } as const
    let allRemoved = 0
    const deleteBatch = async (until: Date) => {
      const { found, removed } = await store.deleteBatch(userId, until)
      allRemoved += removed
      if (found.length < BATCH_SIZE && allRemoved > 0) onRemoved()
      return found
    }
    return this.#endAll(event, userRecords.revoke(userId), deleteBatch)
  }

  /**
   * Ends all sessions like `revokeUser()`, and resolves when their documents are removed. Then nothing can refresh, so the
   * record of the revocation is only needed until the last access token has expired, which is after `tokenMs`. A failure
   * leaves the record as it is for other revocations.
   */
  async eraseUser(
    userId: string,
    tokenMs: number,
  ): Promise<{ readonly sessions: number; readonly recordExpiresAt: Date }> {
    const { store, userRecords, revocations, events } = this.#parts
    const revokedAt = await userRecords.revoke(userId)
    revocations.revokeUser(userId, revokedAt)
    events.emit('revoked', { by: 'eraseUser', userId })
    const removed = await this.#endBatches(
      new Date(revokedAt),
      async until => (await store.deleteBatch(userId, until)).found,
      userId,
    )
    await userRecords.passed(userId, revokedAt)
    const recordExpiresAt = await userRecords.release(userId, revokedAt, tokenMs)
    revocations.noteDisabled(userId, false)
    return { sessions: removed, recordExpiresAt }
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

  /**
   * The record ends all sessions by one write, however many there are: logins, refreshes and loads compare themselves with
   * it. The documents of the sessions follow in the background. The answer waits for the server's clock, so that a login
   * that begins after the answer is not refused.
   */
  async #endAll(event: RevokedEvent, revocation: Promise<number>, endBatch: EndBatch): Promise<void> {
    const { userId } = event
    const { userRecords, revocations, events, backgroundWork } = this.#parts
    const revokedAt = await revocation
    revocations.revokeUser(userId, revokedAt)
    // The sessions have ended, also if the wait below fails.
    events.emit('revoked', event)
    backgroundWork.start(() => this.#endDocuments(userId, new Date(revokedAt), endBatch))
    await userRecords.passed(userId, revokedAt)
  }

  async #endDocuments(userId: string, until: Date, endBatch: EndBatch): Promise<void> {
    const { events } = this.#parts
    try {
      await this.#endBatches(until, endBatch, userId)
    } catch (error) {
      const message =
        'All sessions of the user have ended, but their documents could not be changed. They stay until they expire, or ' +
        `until you call the function again: ${describeForLog(error)}`
      events.warn({ code: 'session_not_removed', message, userId })
    }
  }

  /** Resolves to the number of sessions. */
  async #endBatches(until: Date, endBatch: EndBatch, userId: string): Promise<number> {
    const { revocations, clock, backgroundWork } = this.#parts
    for (let all = 0; ;) {
      if (backgroundWork.mustEnd) throw new CustomUserDataError('closed', 'The instance was closed before.')
      const batch = await endBatch(until)
      all += batch.length
      const since = clock.now() - this.#config.accessTokenMs
      // The access tokens of other sessions have expired, and remembering many sessions takes memory.
      const recent = batch.filter(({ lastUsedAt }) => !isDate(lastUsedAt) || lastUsedAt.getTime() >= since)
      for (const { _id: sid } of recent) revocations.revokeSession(sid, userId)
      if (batch.length < BATCH_SIZE) return all
    }
  }
}

/** Ends sessions that were stored no later than a time, and resolves to them; fewer than {@link BATCH_SIZE} are the last. */
type EndBatch = (until: Date) => Promise<EndedSession[]>

function parseOrRefuse(refreshToken: string): RefreshToken {
  const token = parseRefreshToken(refreshToken)
  if (!token) throw invalidGrant()
  return token
}

function toInfo(session: ListedSession): SessionInfo {
  const { _id: sid, createdAt, lastUsedAt, expiresAt, device, address } = session
  return { sid, createdAt, lastUsedAt, expiresAt, device, address }
}
