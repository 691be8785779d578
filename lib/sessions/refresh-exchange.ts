import { isDate } from 'node:util/types'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import type { OpenSession } from './new-session.js'
import { deriveSuccessor, hashRefreshToken, isSealed, parseRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import { invalidGrant } from './session-errors.js'
import type { SessionSecret } from './session-secrets.js'
import type { SessionDocument, SessionStore } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords, UserStanding } from './user-records.js'

/** The rules for exchanging refresh tokens. */
export interface ExchangeConfig {
  /** Refresh tokens of other clients are refused (RFC 6749 section 6). */
  readonly clientId: string
  /** `false`: a refresh token stays the same, for clients that cannot store a new one. */
  readonly rotateRefreshTokens: boolean
  /** Milliseconds in which an exchanged token still gets its successor; `undefined`: until the successor is used. */
  readonly reuseWindowMs: number | undefined
}

/** The first secret derives successors. All secrets are tried on tokens that come in. */
export type SessionSecrets = readonly [SessionSecret, ...SessionSecret[]]

/** A refresh token that was exchanged. */
export interface ExchangedToken {
  readonly userId: string
  /**
   * Resolves to the session, or rejects with `invalid_grant` if all sessions of its user were ended after it began. The
   * record of the user is being read already, so the caller can load the user's document meanwhile.
   */
  readonly open: () => Promise<OpenSession>
}

/** A refresh token of a session that is alive: the current token, the token before it, or an older token. */
export interface RecognisedToken {
  readonly sid: string
  readonly userId: string
  readonly state: 'current' | 'previous' | 'old'
}

interface ExchangeParts {
  readonly store: Pick<SessionStore, 'find' | 'exchange' | 'touch' | 'revoke'>
  readonly userRecords: Pick<UserRecords, 'find'>
  readonly secrets: SessionSecrets
  readonly revocations: Pick<Revocations, 'revokeStolenSession'>
  readonly events: Events
  readonly clock: Clock
}

/** Exchanges refresh tokens, and recognises tokens without an exchange. */
export class RefreshExchange {
  readonly #config: ExchangeConfig
  readonly #parts: ExchangeParts

  constructor(config: ExchangeConfig, parts: ExchangeParts) {
    this.#config = config
    this.#parts = parts
  }

  /** The session that a refresh token names, if it is alive and belongs to this client. The token may be invalid. */
  async find(token: RefreshToken): Promise<SessionDocument | undefined> {
    const session = await this.#parts.store.find(token.sid)
    return session?.clientId === this.#config.clientId ? session : undefined
  }

  /** Finds the session that is alive and that a refresh token belongs to. Changes nothing and emits no event. */
  async recognise(refreshToken: string): Promise<RecognisedToken | undefined> {
    const token = parseRefreshToken(refreshToken)
    const session = token && (await this.find(token))
    if (!token || !session || (await this.#hasEndedWithAll(session))) return undefined
    const { _id: sid, userId, current, previous } = session
    const hash = hashRefreshToken(token)
    if (hash === current) return { sid, userId, state: 'current' }
    if (hash === previous) return { sid, userId, state: 'previous' }
    // A session's id is no secret, so a token that an attacker made with it must not count as a token of the session.
    return isSealed(token, this.#parts.secrets) ? { sid, userId, state: 'old' } : undefined
  }

  /**
   * Exchanges a token. Rejects with `invalid_grant`. A token that was stolen ends its session.
   *
   * @param earlier the record of the user as it was before the exchange. It counts if the record cannot be read again
   */
  async exchange(token: RefreshToken, earlier?: UserStanding): Promise<ExchangedToken> {
    const { rotateRefreshTokens } = this.#config
    const { store, secrets } = this.#parts
    const [newest] = secrets
    const successor = deriveSuccessor(token, newest)
    const session = rotateRefreshTokens
      ? await store.exchange({ token, successor, secretName: newest.name })
      : await store.touch(token)
    if (!session) return this.#answerReplay(token, earlier)
    return this.#toExchanged('refreshed', session, rotateRefreshTokens ? successor : token, earlier)
  }

  #toExchanged(
    event: 'refreshed' | 'replayed',
    session: SessionDocument,
    token: RefreshToken,
    earlier?: UserStanding,
  ): ExchangedToken {
    const { _id: sid, userId, storedAt, idleExpiresAt, expiresAt, persistent } = session
    const endsInMs = Math.min(idleExpiresAt.getTime(), expiresAt.getTime()) - this.#parts.clock.now()
    // Another process may have ended all sessions since the earlier read, and not yet this session's document.
    const standing = this.readStanding(userId)
    const open = async (): Promise<OpenSession> => {
      const latest = earlier ? standing.catch(() => earlier) : standing
      if (endedWithAll(storedAt, await latest)) throw invalidGrant()
      this.#parts.events.emit(event, { userId, sid })
      const since = isDate(storedAt) ? storedAt.getTime() : 0
      return { sid, userId, refreshToken: token.text, storedAt: since, endsInMs, persistent }
    }
    return { userId, open }
  }

  /** Begins to read the record of a user. */
  readStanding(userId: string): Promise<UserStanding> {
    const standing = this.#parts.userRecords.find(userId)
    // A refresh that fails for another reason does not wait for it, so nobody else may handle its rejection.
    standing.catch(() => undefined)
    return standing
  }

  async #hasEndedWithAll({ userId, storedAt }: SessionDocument): Promise<boolean> {
    return endedWithAll(storedAt, await this.#parts.userRecords.find(userId))
  }

  /** For a token that is not current: the token before gets its successor again, and an older token is a sign of theft. */
  async #answerReplay(token: RefreshToken, earlier?: UserStanding): Promise<ExchangedToken> {
    const { secrets } = this.#parts
    const session = await this.find(token)
    if (!session) throw invalidGrant()
    const { current, previous, secretName } = session
    const isPrevious = previous === hashRefreshToken(token)
    if (isPrevious && this.#isInWindow(session)) {
      const secret = secrets.find(({ name }) => name === secretName)
      const successor = secret && deriveSuccessor(token, secret)
      // Another process may have a secret that this one does not have yet, so this is no sign of theft.
      if (!successor || hashRefreshToken(successor) !== current) throw invalidGrant()
      return this.#toExchanged('replayed', session, successor, earlier)
    }
    const isOld = current !== hashRefreshToken(token) && isSealed(token, secrets)
    if ((isPrevious || isOld) && !(await this.#hasEndedWithAll(session))) await this.#endStolen(session)
    throw invalidGrant()
  }

  #isInWindow({ rotatedAt }: SessionDocument): boolean {
    const { reuseWindowMs } = this.#config
    return reuseWindowMs === undefined || this.#parts.clock.now() - rotatedAt.getTime() < reuseWindowMs
  }

  async #endStolen({ _id: sid, userId }: SessionDocument): Promise<void> {
    const { store, revocations, events } = this.#parts
    await store.revoke(sid)
    revocations.revokeStolenSession(sid)
    events.emit('reuse_detected', { userId, sid })
  }
}
