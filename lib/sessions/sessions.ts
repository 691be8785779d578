import type { Clock } from '../util/clock.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { compareWithRevocation, elapsedSince } from './login-start.js'
import type { LoginStart } from './login-start.js'
import {
  createRefreshToken,
  createSid,
  deriveSuccessor,
  hashRefreshToken,
  isSealed,
  parseRefreshToken,
} from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import type { Revocations } from './revocations.js'
import type { SessionDocument } from './session-document.js'
import type { SessionScope } from './session-scope.js'
import type { SessionSecret } from './session-secrets.js'
import type { SessionOrigin, SessionStore } from './session-store.js'
import type { UserRecords } from './user-records.js'

/** How refresh tokens are exchanged. */
export interface ExchangeConfig extends Pick<SessionScope, 'clientId'> {
  /** `false`: a refresh token stays the same, for clients that cannot follow. */
  readonly rotateRefreshTokens: boolean
  /** How long a token that was exchanged still gets its successor, in ms; `undefined`: until that one is used. */
  readonly reuseWindowMs: number | undefined
}

/** A session with the token that its client is to hold. */
export interface OpenSession {
  readonly sid: string
  readonly userId: string
  readonly refreshToken: string
}

/** A session as its user sees it. */
export interface SessionInfo extends SessionOrigin {
  readonly sid: string
  readonly createdAt: Date
  readonly lastUsedAt: Date
  readonly expiresAt: Date
}

/** A refresh token of a session that is alive: the current token, the token before it, or an older token. */
export interface RecognisedToken {
  readonly sid: string
  readonly userId: string
  readonly state: 'current' | 'previous' | 'old'
}

/** Sessions from login to logout. Knows the rules; the store knows MongoDB. */
export interface Sessions {
  /**
   * Begins a session for a login that began at `start`. Rejects with `invalid_credentials` if the user is disabled, or if
   * the user's sessions were revoked since. Rejects with `sessions_unavailable` if the order of login and revocation is
   * unclear.
   */
  begin: (userId: string, origin: SessionOrigin, start: LoginStart) => Promise<OpenSession>
  /** Whose session a refresh token names, good or not; nothing is changed. Rejects with `invalid_grant`. */
  peek: (refreshToken: string) => Promise<string>
  /** Finds the session that is alive and that a refresh token belongs to. Changes nothing and emits no event. */
  recognise: (refreshToken: string) => Promise<RecognisedToken | undefined>
  /** Exchanges a refresh token. Rejects with `invalid_grant`; a token that was stolen ends its session. */
  exchange: (refreshToken: string) => Promise<OpenSession>
  /** Ends the session of a refresh token, however old, if it is one of ours; whose it was, if this ended it. */
  end: (refreshToken: string) => Promise<string | undefined>
  list: (userId: string) => Promise<SessionInfo[]>
  /** Ends one session (of that user, where one is named), or all of a user's. */
  revokeSession: (sid: string, userId?: string) => Promise<boolean>
  /**
   * Ends all sessions of a user, and also those of logins in progress. A login that begins after it has resolved works.
   */
  revokeUser: (userId: string) => Promise<void>
  /** Ends them like `revokeUser()`, and refuses the user's logins until `enableUser()`. */
  disableUser: (userId: string) => Promise<void>
  enableUser: (userId: string) => Promise<void>
  /** Ends them like `revokeUser()`, and removes the sessions. */
  deleteUser: (userId: string) => Promise<void>
}

/** What sessions are made of. */
export interface SessionsParts {
  readonly store: SessionStore
  readonly userRecords: UserRecords
  readonly secrets: readonly [SessionSecret, ...SessionSecret[]]
  readonly revocations: Revocations
  readonly events: Events
  readonly clock: Clock
}

/** Creates the sessions of one instance. */
export function createSessions(config: ExchangeConfig, parts: SessionsParts): Sessions {
  const { store, userRecords, secrets, revocations, events, clock } = parts
  const [newest] = secrets

  /** The session that a refresh token names, if it is alive and the token was issued to this client. */
  async function findOf(token: RefreshToken): Promise<SessionDocument | undefined> {
    const session = await store.find(token.sid)
    return session?.clientId === config.clientId ? session : undefined
  }

  async function exchange(token: RefreshToken): Promise<OpenSession> {
    const successor = deriveSuccessor(token, newest)
    const session = config.rotateRefreshTokens
      ? await store.exchange({ token, successor, secretName: newest.name })
      : await store.touch(token)
    if (!session) return answerReplay(token)
    events.emit('refreshed', { userId: session.userId, sid: token.sid })
    return toOpen(session, config.rotateRefreshTokens ? successor : token)
  }

  /** The token is not the current one: the last but one is answered again, an older one is a sign of theft. */
  async function answerReplay(token: RefreshToken): Promise<OpenSession> {
    const session = await findOf(token)
    if (!session) throw invalidGrant()
    const { userId, current, previous, secretName } = session
    const isLast = previous === hashRefreshToken(token)
    if (isLast && isInWindow(session)) {
      const secret = secrets.find(({ name }) => name === secretName)
      const successor = secret && deriveSuccessor(token, secret)
      // Another process may have a secret that this one does not have yet: no sign of theft.
      if (!successor || hashRefreshToken(successor) !== current) throw invalidGrant()
      events.emit('replayed', { userId, sid: token.sid })
      return toOpen(session, successor)
    }
    if (isLast || (current !== hashRefreshToken(token) && isSealed(token, secrets))) await endStolen(session)
    throw invalidGrant()
  }

  function isInWindow({ rotatedAt }: SessionDocument): boolean {
    const { reuseWindowMs } = config
    return reuseWindowMs === undefined || clock.now() - rotatedAt.getTime() < reuseWindowMs
  }

  /** One that was sealed with a secret that is no longer given may be good all the same. */
  async function isKnown(token: RefreshToken): Promise<boolean> {
    const session = await findOf(token)
    return session !== undefined && [session.current, session.previous].includes(hashRefreshToken(token))
  }

  async function recognise(token: RefreshToken): Promise<RecognisedToken | undefined> {
    const session = await findOf(token)
    if (!session) return undefined
    const { _id: sid, userId, current, previous } = session
    const hash = hashRefreshToken(token)
    if (hash === current) return { sid, userId, state: 'current' }
    if (hash === previous) return { sid, userId, state: 'previous' }
    // A session's id is no secret, so a token that an attacker made with it must not count as a token of the session.
    return isSealed(token, secrets) ? { sid, userId, state: 'old' } : undefined
  }

  async function endStolen({ _id: sid, userId }: SessionDocument): Promise<void> {
    await store.revoke(sid)
    revocations.revokeStolenSession(sid)
    events.emit('reuse_detected', { userId, sid })
  }

  /** Whose session it was, if this ended it. */
  async function revoke(sid: string, userId?: string): Promise<string | undefined> {
    const owner = await store.revoke(sid, userId)
    // One that had ended before, here or in another process, may have access tokens that live on.
    if (owner !== undefined || userId === undefined) revocations.revokeSession(sid)
    if (owner !== undefined) events.emit('revoked', { sid })
    return owner
  }

  /**
   * The record is written first. If a login inserts its session too late to be ended here, the login finds the record.
   * The answer waits for the server's clock, so that a login that begins after the answer is not refused.
   */
  async function endAll(
    userId: string,
    revocation: Promise<number>,
    end: (userId: string) => Promise<string[]>,
  ): Promise<void> {
    const revokedAt = await revocation
    revocations.revokeUser(userId, revokedAt)
    const [sids] = await Promise.all([end(userId), userRecords.passed(userId, revokedAt)])
    for (const sid of sids) revocations.revokeSession(sid)
    events.emit('revoked', { userId })
  }

  /** Whether a login began before its user's sessions were last revoked. Called when its session is stored. */
  async function compare(
    userId: string,
    start: LoginStart,
  ): Promise<ReturnType<typeof compareWithRevocation>> {
    for (let reads = 1; ; reads++) {
      const { atLeast: beforeMs } = elapsedSince(start)
      const found = await userRecords.findWithTime(userId)
      const { atMost: afterMs } = elapsedSince(start)
      if (found?.isDisabled === true) return 'before'
      if (found?.revokedAt === undefined) return 'after'
      const { revokedAt, serverTime } = found
      const outcome = compareWithRevocation({ revokedAt, serverTime, beforeMs, afterMs })
      // Reading again may make it clear: the shorter the round trip, the smaller the doubt.
      if (outcome !== 'unclear' || reads === MAX_READS) return outcome
    }
  }

  return {
    async begin(userId, origin, start) {
      const sid = createSid()
      const token = createRefreshToken(sid, newest)
      await store.insert({ token, userId, secretName: newest.name, ...origin })
      // Compare after the insert. A revocation first writes the record and then ends sessions, so one sees the other.
      const outcome = await compare(userId, start)
      if (outcome !== 'after') {
        await store.discard(sid)
        throw outcome === 'before' ? endedMeanwhile() : unclear()
      }
      events.emit('login', { userId, sid })
      return { sid, userId, refreshToken: token.text }
    },
    async peek(refreshToken) {
      const session = await findOf(parseOrRefuse(refreshToken))
      if (!session) throw invalidGrant()
      return session.userId
    },
    async recognise(refreshToken) {
      const token = parseRefreshToken(refreshToken)
      return token && recognise(token)
    },
    exchange: async refreshToken => exchange(parseOrRefuse(refreshToken)),
    async end(refreshToken) {
      const token = parseRefreshToken(refreshToken)
      if (!token) return undefined
      // Any token of ours will do, also one that another tab has exchanged twice since: its user wants to be out.
      const isOurs = isSealed(token, secrets) || (await isKnown(token))
      return isOurs ? revoke(token.sid) : undefined
    },
    list: async userId => (await store.list(userId)).map(toInfo),
    revokeSession: async (sid, userId) => (await revoke(sid, userId)) !== undefined,
    revokeUser: userId => endAll(userId, userRecords.revoke(userId), store.revokeAll),
    disableUser: userId => endAll(userId, userRecords.disable(userId), store.revokeAll),
    enableUser: userRecords.enable,
    deleteUser: userId => endAll(userId, userRecords.revoke(userId), store.deleteAll),
  }
}

/** How often a login reads the record of its user before it gives up. */
const MAX_READS = 3

function parseOrRefuse(refreshToken: string): RefreshToken {
  const token = parseRefreshToken(refreshToken)
  if (!token) throw invalidGrant()
  return token
}

function toOpen({ _id: sid, userId }: SessionDocument, token: RefreshToken): OpenSession {
  return { sid, userId, refreshToken: token.text }
}

function toInfo(session: SessionDocument): SessionInfo {
  const { _id: sid, createdAt, lastUsedAt, expiresAt, device, address } = session
  return { sid, createdAt, lastUsedAt, expiresAt, device, address }
}

/** The answer to a login if its session was revoked, or its user disabled, while it was in progress. */
export function endedMeanwhile(): CustomUserDataError {
  return new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
}

function unclear(): CustomUserDataError {
  return new CustomUserDataError(
    'sessions_unavailable',
    "The user's sessions were revoked at about the time when this login began. Log in again.",
  )
}

/** The one answer for every refresh token that is not good, whatever the reason. */
export function invalidGrant(): CustomUserDataError {
  return new CustomUserDataError('invalid_grant', 'The refresh token is unknown, used, expired or revoked.')
}
