import type { Events } from '../events.js'
import { describeForLog } from '../util/redaction.js'
import { compareWithRevocation, elapsedSince } from './login-start.js'
import type { LoginStart } from './login-start.js'
import { createRefreshToken, createSid } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { BegunSession, SessionClaims, SessionDetails } from './session-document.js'
import { endedMeanwhile, unclearOrder } from './session-errors.js'
import type { SessionSecret } from './session-secrets.js'
import type { SessionStore } from './session-store.js'
import type { UserRecords } from './user-records.js'

/** A session with the refresh token that its client gets. */
export interface OpenSession extends BegunSession, SessionLifetime {
  readonly refreshToken: string
  readonly claims: SessionClaims
}

/** How long the client should keep the refresh token. */
export interface SessionLifetime {
  /** Milliseconds from the login or refresh until the session ends if it is not used. */
  readonly endsInMs: number
  /** Whether the cookie of the session outlives the browser. */
  readonly persistent: boolean
}

/** A login that asks for a session. */
interface LoginOfUser {
  readonly userId: string
  readonly details: SessionDetails
  readonly start: LoginStart
  readonly endsInMs: number
}

interface NewSessionParts {
  readonly store: Pick<SessionStore, 'insert' | 'discard'>
  readonly userRecords: Pick<UserRecords, 'findWithTime'>
  readonly secret: SessionSecret
  readonly events: Events
}

/** How often a login reads the record of its user before it gives up. */
const MAX_READS = 3

/**
 * The session of a login in progress. The constructor begins to store it, so that the caller can do other work meanwhile.
 * Nobody knows its refresh token until `open()` has resolved. The caller ends with either `open()` or `discard()`, and also
 * discards a session that could not be opened. It announces a session whose tokens it gives to the client.
 */
export class NewSession {
  readonly #login: LoginOfUser
  readonly #parts: NewSessionParts
  readonly #token: RefreshToken
  readonly #stored: Promise<Date>

  constructor(login: LoginOfUser, parts: NewSessionParts) {
    const { secret, store } = parts
    this.#login = login
    this.#parts = parts
    this.#token = createRefreshToken(createSid(), secret)
    const { userId, details } = login
    this.#stored = store.insert({ token: this.#token, userId, secretName: secret.name, ...details })
    // A login that is refused does not wait for the insert, so nobody else may handle its rejection.
    this.#stored.catch(() => undefined)
  }

  /**
   * Resolves to the session if the login began after the user's last revocation.
   *
   * @throws `invalid_credentials` if the user is disabled or was revoked since; `sessions_unavailable` if the order of login
   * and revocation is unclear, or if MongoDB does not answer
   */
  async open(): Promise<OpenSession> {
    const { sid, userId, storedAt } = await this.stored()
    // Compare after the insert. A revocation first writes the record and then ends sessions, so one sees the other.
    const outcome = await this.#compareWithRevocation()
    if (outcome !== 'after') throw outcome === 'before' ? endedMeanwhile() : unclearOrder()
    const { endsInMs, details } = this.#login
    const { persistent, claims } = details
    return { sid, userId, refreshToken: this.#token.text, storedAt, endsInMs, persistent, claims }
  }

  /** Resolves to the session when it is stored, also if it is not open. */
  async stored(): Promise<BegunSession> {
    const storedAt = await this.#stored
    return { sid: this.#token.sid, userId: this.#login.userId, storedAt: storedAt.getTime() }
  }

  /** Emits `login`, once the answer can no longer be refused. */
  announce(): void {
    const { userId, details } = this.#login
    this.#parts.events.emit('login', { userId, sid: this.#token.sid, address: details.address ?? undefined })
  }

  /** Removes the session. Never rejects: a failure is a warning, because the login is refused for another reason. */
  async discard(): Promise<void> {
    const { store, events } = this.#parts
    try {
      await this.#stored
    } catch {
      // The login was answered with this error, or was refused before it mattered.
      return
    }
    await store.discard(this.#token.sid).catch((error: unknown) => {
      const message =
        'The session of a refused login could not be removed, so it stays in the list of the user until it expires. ' +
        `Nobody has its tokens: ${describeForLog(error)}`
      events.warn({ code: 'session_not_removed', message, userId: this.#login.userId })
    })
  }

  async #compareWithRevocation(): Promise<ReturnType<typeof compareWithRevocation>> {
    const { userId, start } = this.#login
    for (let reads = 1; ; reads++) {
      const { atLeast: beforeMs } = elapsedSince(start)
      const found = await this.#parts.userRecords.findWithTime(userId)
      const { atMost: afterMs } = elapsedSince(start)
      if (found?.isDisabled === true) return 'before'
      if (found?.revokedAt === undefined) return 'after'
      const { revokedAt, serverTime } = found
      const outcome = compareWithRevocation({ revokedAt, serverTime, beforeMs, afterMs })
      // Reading again may make it clear: the shorter the round trip, the smaller the doubt.
      if (outcome !== 'unclear' || reads === MAX_READS) return outcome
    }
  }
}
