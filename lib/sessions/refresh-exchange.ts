import { isDate } from 'node:util/types'
import { isPlainObject } from '../util/plain-object.js'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import { judgeExchangedToken } from './exchanged-token.js'
import type { Judgement } from './exchanged-token.js'
import type { OpenSession } from './new-session.js'
import { deriveSuccessor, hashRefreshToken, isSealed, parseRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import { MAX_REUSE_TOLERANCE_SECONDS } from './session-document.js'
import type { SessionClaims, SessionDocument } from './session-document.js'
import { invalidGrant, noSuchSession, secretUnknown } from './session-errors.js'
import type { SessionSecrets } from './session-secrets.js'
import type { SessionStore, TimedSession } from './session-store.js'
import { endedWithAll } from './user-records.js'
import type { UserRecords } from './user-records.js'

/** The rules for exchanging refresh tokens. */
export interface ExchangeConfig {
  /** Refresh tokens of other clients are refused (RFC 6749 section 6). */
  readonly clientId: string
  /** `false`: a refresh token stays the same, for clients that cannot store a new one. A login may decide it otherwise. */
  readonly rotateRefreshTokens: boolean
  /** Milliseconds in which an exchanged token gets the current token although its successor was used. */
  readonly reuseToleranceMs: number
}

/** The session that a refresh token belongs to, and its user. */
export interface SessionOwner {
  readonly userId: string
  readonly sid: string
  readonly claims: SessionClaims
}

/** A refresh token that was exchanged. */
export interface ExchangedToken {
  readonly userId: string
  /**
   * Resolves to the session, or rejects with `invalid_grant` if all sessions of its user were ended after it began. The
   * record of the user is being read already, so the caller can load the user's document meanwhile.
   */
  readonly open: () => Promise<OpenSession>
}

/** A refresh token of a session that is alive. */
export interface RecognisedToken {
  readonly sid: string
  readonly userId: string
  /** Whether it is the current token, an exchanged token that may still be answered, or an older token. */
  readonly state: 'current' | 'exchanged' | 'old'
}

interface ExchangeParts {
  readonly store: Pick<SessionStore, 'findWithTime' | 'exchange' | 'noteUse' | 'revoke'>
  readonly userRecords: Pick<UserRecords, 'find'>
  readonly secrets: () => SessionSecrets
  readonly revocations: Pick<Revocations, 'revokeStolenSession'>
  readonly events: Events
  readonly clock: Clock
}

/** How a refresh was answered: by an exchange, or by the current token for an exchanged one. */
type Answered = { readonly event: 'refreshed' } | { readonly event: 'replayed'; successorUsed: boolean }

/** Exchanges refresh tokens, and recognises tokens without an exchange. */
export class RefreshExchange {
  readonly #config: ExchangeConfig
  readonly #parts: ExchangeParts

  constructor(config: ExchangeConfig, parts: ExchangeParts) {
    this.#config = config
    this.#parts = parts
  }

  /** Finds the session that is alive and that a refresh token belongs to. Changes nothing and emits no event. */
  async recognise(refreshToken: string): Promise<RecognisedToken | undefined> {
    const token = parseRefreshToken(refreshToken)
    const session = token && (await this.#find(token.sid))
    if (!token || !session || (await this.#hasEndedWithAll(session))) return undefined
    const { _id: sid, userId, current } = session
    if (hashRefreshToken(token) === current) return { sid, userId, state: 'current' }
    const { outcome } = this.#judge(token, session)
    if (outcome === 'invalid') return undefined
    return { sid, userId, state: outcome === 'stolen' ? 'old' : 'exchanged' }
  }

  /**
   * The session of a refresh token that its client may use: of the current token, or of one that was exchanged just now.
   * `undefined` for any other text. Changes nothing and emits no event.
   *
   * @throws `session_secret_unknown` if the token may be of a session secret that this process lacks
   */
  async identify(refreshToken: string): Promise<SessionOwner | undefined> {
    const token = parseRefreshToken(refreshToken)
    const session = token && (await this.#find(token.sid))
    if (!token || !session || (await this.#hasEndedWithAll(session))) return undefined
    if (hashRefreshToken(token) !== session.current) {
      const { outcome } = this.#judge(token, session)
      if (outcome === 'secret_unknown') throw secretUnknown()
      if (outcome !== 'answer') return undefined
    }
    return { userId: session.userId, sid: session._id, claims: claimsOf(session) }
  }

  /**
   * The session of a user, if it is alive.
   *
   * @throws `session_not_found` if the session has ended, or is another user's
   */
  async reopen(userId: string, sid: string): Promise<Omit<OpenSession, 'refreshToken'>> {
    const session = await this.#find(sid)
    if (session?.userId !== userId || (await this.#hasEndedWithAll(session))) throw noSuchSession()
    return this.#toOpen(session)
  }

  /**
   * Whether a token belongs to a session, so that it may end the session. Old tokens count too.
   *
   * @throws `session_secret_unknown` if the token may be of a session secret that this process lacks
   */
  async isOurs(token: RefreshToken): Promise<boolean> {
    if (isSealed(token, this.#parts.secrets())) return true
    // The current and the previous token count even if the secret of their seal is no longer given.
    const session = await this.#find(token.sid)
    if (!session) return false
    if ([session.current, session.previous].includes(hashRefreshToken(token))) return true
    if (this.#judge(token, session).outcome === 'secret_unknown') throw secretUnknown()
    return false
  }

  /**
   * Exchanges a token. A token that was stolen ends its session.
   *
   * @param address the address of the client, for the event `reuse_detected`
   * @throws `invalid_grant`; `session_secret_unknown` if another process may be able to answer
   */
  async exchange(token: RefreshToken, address?: string): Promise<ExchangedToken> {
    const { rotateRefreshTokens: rotates } = this.#config
    const { store, secrets } = this.#parts
    const [newest] = secrets()
    const successor = deriveSuccessor(token, newest)
    const session = await store.exchange({ token, successor, secretName: newest.name, rotates })
    if (!session) return this.#answerExchanged(token, address)
    const isRotated = session.current === hashRefreshToken(successor)
    return this.#toExchanged({ event: 'refreshed' }, session, isRotated ? successor : token)
  }

  #toExchanged(answered: Answered, session: SessionDocument, token: RefreshToken): ExchangedToken {
    const { userId, storedAt } = session
    // Another process may have ended all sessions, and not yet this session's document.
    const standing = this.#parts.userRecords.find(userId)
    // A refresh that fails for another reason does not wait for it, so nobody else may handle its rejection.
    standing.catch(() => undefined)
    const open = async (): Promise<OpenSession> => {
      if (endedWithAll(storedAt, await standing)) throw invalidGrant()
      const { events } = this.#parts
      const { _id: sid } = session
      if (answered.event === 'refreshed') events.emit('refreshed', { userId, sid })
      else events.emit('replayed', { userId, sid, successorUsed: answered.successorUsed })
      return { ...this.#toOpen(session), refreshToken: token.text }
    }
    return { userId, open }
  }

  #toOpen(session: SessionDocument): Omit<OpenSession, 'refreshToken'> {
    const { _id: sid, userId, storedAt, idleExpiresAt, expiresAt, persistent } = session
    const endsInMs = Math.min(idleExpiresAt.getTime(), expiresAt.getTime()) - this.#parts.clock.now()
    const since = isDate(storedAt) ? storedAt.getTime() : 0
    return { sid, userId, storedAt: since, endsInMs, persistent, claims: claimsOf(session) }
  }

  async #find(sid: string): Promise<TimedSession | undefined> {
    const session = await this.#parts.store.findWithTime(sid)
    return session?.clientId === this.#config.clientId ? session : undefined
  }

  #judge(token: RefreshToken, session: TimedSession): Judgement {
    const { reuseToleranceMs: toleranceMs } = this.#config
    return judgeExchangedToken(token, session, { secrets: this.#parts.secrets(), toleranceMs })
  }

  async #hasEndedWithAll({ userId, storedAt }: SessionDocument): Promise<boolean> {
    return endedWithAll(storedAt, await this.#parts.userRecords.find(userId))
  }

  /** Answers a token that is not current: with the current token, without a further exchange, or not at all. */
  async #answerExchanged(token: RefreshToken, address: string | undefined): Promise<ExchangedToken> {
    const session = await this.#find(token.sid)
    if (!session) throw invalidGrant()
    const judgement = this.#judge(token, session)
    if (judgement.outcome === 'answer') {
      await this.#noteLateUse(session)
      const { current, isSuccessorUsed: successorUsed } = judgement
      return this.#toExchanged({ event: 'replayed', successorUsed }, session, current)
    }
    if (judgement.outcome === 'secret_unknown') throw secretUnknown()
    const isStolen = judgement.outcome === 'stolen'
    if (isStolen && !(await this.#hasEndedWithAll(session))) await this.#endStolen(session, address)
    throw invalidGrant()
  }

  /**
   * Notes an answer that comes long after the last exchange. Other processes forget a session that was not used for longer
   * than an access token lives, and this answer has a new access token. The idle end stays: only an exchange moves it.
   */
  async #noteLateUse({ _id: sid, lastUsedAt }: SessionDocument): Promise<void> {
    const { store, clock } = this.#parts
    const isRecent =
      isDate(lastUsedAt) && clock.now() - lastUsedAt.getTime() < MAX_REUSE_TOLERANCE_SECONDS * 1000
    if (!isRecent && !(await store.noteUse(sid))) throw invalidGrant()
  }

  async #endStolen({ _id: sid, userId }: SessionDocument, address: string | undefined): Promise<void> {
    const { store, revocations, events } = this.#parts
    const owner = await store.revoke(sid)
    revocations.revokeStolenSession(sid, userId)
    // A parallel request with the token may have ended the session and told so.
    if (owner !== undefined) events.emit('reuse_detected', { userId, sid, address })
  }
}

/** A session that somebody else has stored may have anything in this place. */
function claimsOf({ claims }: { readonly claims?: unknown }): SessionClaims {
  return isPlainObject(claims) ? (claims as SessionClaims) : {}
}
