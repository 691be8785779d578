import type { Collection } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { MARK, MARKED } from '../mongo/own-collection.js'
import type { OwnIndex } from '../mongo/own-collection.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { hashRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import { aliveAt, sessionsOf } from './session-document.js'
import type { SessionDocument } from './session-document.js'
import type { SessionScope } from './session-scope.js'

/** What a login came from. */
export interface SessionOrigin {
  readonly device: string | null
  readonly address: string | null
}

/** What is written when a session begins. */
export interface NewSession extends SessionOrigin {
  readonly token: RefreshToken
  readonly userId: string
  readonly secretName: string
}

/** An exchange: the successor takes the place of the token, if that is still the current one. */
export interface Exchange {
  readonly token: RefreshToken
  readonly successor: RefreshToken
  readonly secretName: string
}

/** How sessions live. */
export interface SessionConfig extends SessionScope {
  /** From the login on, whatever happens. */
  readonly refreshTokenTtlSeconds: number
  /** Without use; no more than the former. */
  readonly refreshTokenIdleSeconds: number
  /** Milliseconds that an operation may take before it is answered with 503. */
  readonly sessionTimeoutMs: number
}

/** One operation on the collection, with the options for its reads and its writes. */
type SessionOperation<T> = (sessions: Collection<SessionDocument>, options: ExactOperations) => Promise<T>

/** Sessions in MongoDB. All methods reject with `sessions_unavailable` where it is away. */
export interface SessionStore {
  insert: (session: NewSession) => Promise<void>
  /** Compare-and-set on the current hash: at most one of any number of parallel attempts succeeds. */
  exchange: (exchange: Exchange) => Promise<SessionDocument | undefined>
  /** Notes that the current token was used, without an exchange. */
  touch: (token: RefreshToken) => Promise<SessionDocument | undefined>
  /** A session that is alive. */
  find: (sid: string) => Promise<SessionDocument | undefined>
  /** A user's sessions that are alive, newest first. */
  list: (userId: string) => Promise<SessionDocument[]>
  /** Ends one session (of that user, where one is named); whose it was, if it was there. */
  revoke: (sid: string, userId?: string) => Promise<string | undefined>
  /** Ends all sessions of a user; the ids of those and of all that had ended before. */
  revokeAll: (userId: string) => Promise<string[]>
  /** The ids of sessions that were revoked at that time or later. */
  listRevoked: (since: Date) => Promise<string[]>
  /** Removes a session whose tokens were never handed out. */
  discard: (sid: string) => Promise<void>
  /** Ends and removes all sessions of a user; their ids. */
  deleteAll: (userId: string) => Promise<string[]>
}

/** The indexes of the collection of sessions. Each covers only documents that have our mark. */
export const SESSION_INDEXES: readonly OwnIndex[] = [
  // Only cleans up: whether a session is over is decided by each query.
  { field: 'expiresAt', options: { name: 'session_expiry', expireAfterSeconds: 0 } },
  { field: 'userId', options: { name: 'session_user', collation: { locale: 'simple' } } },
  // This index covers only revoked sessions and users. They are few, and read only when changes may have been missed.
  {
    field: 'revokedAt',
    options: {
      name: 'session_revoked',
      collation: { locale: 'simple' },
      partialFilterExpression: { ...MARKED, revokedAt: { $type: 'date' } },
    },
  },
]

/** Creates the store over a collection. */
export function createSessionStore(
  config: SessionConfig,
  openCollection: () => Promise<Collection<SessionDocument>>,
  events: Events,
  clock: Clock,
): SessionStore {
  const { sessionTimeoutMs, issuer, clientId } = config
  const ours = sessionsOf(issuer)
  const now = (): Date => new Date(clock.now())

  async function run<T>(operation: SessionOperation<T>): Promise<T> {
    try {
      return await withDeadline(sessionTimeoutMs, async signal =>
        operation(await openCollection(), toExactOperations(sessionTimeoutMs, signal)),
      )
    } catch (cause) {
      throw asCustomUserDataError(cause) ?? unavailable(cause)
    }
  }

  /** Only reads need this check: a server that is not the primary refuses writes by itself. */
  function runRead<T>(operation: SessionOperation<T>): Promise<T> {
    return run((sessions, options) => {
      const { signal } = options.read
      return readFromPrimary(sessions, { signal, events }, () => operation(sessions, options))
    })
  }

  function use(token: RefreshToken, change: Partial<SessionDocument>): Promise<SessionDocument | undefined> {
    const at = now()
    const used = { lastUsedAt: at, idleExpiresAt: idleExpiry(config, at) }
    const filter = { _id: token.sid, ...ours, clientId, current: hashRefreshToken(token), ...aliveAt(at) }
    const update = { $set: { ...used, ...change } }
    return run(async (sessions, { write }) => {
      const found = await findOneAndUpdate(sessions, filter, update, write)
      // A document without a user id is no session, so nothing may be issued for it.
      return typeof found?.userId === 'string' ? found : undefined
    })
  }

  /** Ends a user's sessions; the ids of all that have ended, since their access tokens may live on. */
  const revokeAll =
    (userId: string): SessionOperation<string[]> =>
    async (sessions, { read, write }) => {
      const ofUser = { ...ours, userId: { $eq: userId } }
      await sessions.updateMany({ ...ofUser, revokedAt: null }, { $set: { revokedAt: now() } }, write)
      const ended = { ...ofUser, revokedAt: { $ne: null } }
      const found = await sessions.find(ended, { ...read, projection: { _id: 1 } }).toArray()
      return found.map(({ _id }) => _id)
    }

  return {
    insert: session =>
      run(async (sessions, { insert }) => {
        await sessions.insertOne(toDocument(session, config, now()), insert)
      }),
    exchange: ({ token, successor, secretName }) =>
      use(token, {
        current: hashRefreshToken(successor),
        previous: hashRefreshToken(token),
        generation: successor.generation,
        rotatedAt: now(),
        secretName,
      }),
    touch: token => use(token, {}),
    find: sid =>
      runRead(async (sessions, { read }) => {
        const found = await sessions.findOne({ _id: { $eq: sid }, ...ours, ...aliveAt(now()) }, read)
        return found ?? undefined
      }),
    list: userId =>
      runRead((sessions, { read }) =>
        sessions
          .find({ ...ours, userId: { $eq: userId }, ...aliveAt(now()) }, { ...read, sort: { createdAt: -1 } })
          .toArray(),
      ),
    revoke: (sid, userId) =>
      run(async (sessions, { write }) => {
        const ofUser = userId === undefined ? {} : { userId: { $eq: userId } }
        const filter = { _id: { $eq: sid }, ...ours, ...ofUser, ...aliveAt(now()) }
        const found = await findOneAndUpdate(sessions, filter, { $set: { revokedAt: now() } }, write)
        return found?.userId
      }),
    revokeAll: userId => run(revokeAll(userId)),
    listRevoked: since =>
      runRead(async (sessions, { read }) => {
        // The type is named for the partial index's sake.
        const revoked = { ...ours, revokedAt: { $type: 'date', $gte: since } } as const
        const found = await sessions.find(revoked, { ...read, projection: { _id: 1 } }).toArray()
        return found.map(({ _id }) => _id)
      }),
    discard: sid =>
      run(async (sessions, { write }) => {
        await sessions.deleteOne({ _id: { $eq: sid }, ...ours }, write)
      }),
    deleteAll: userId =>
      run(async (sessions, options) => {
        const ids = await revokeAll(userId)(sessions, options)
        // Not by their ids, of which one command may not be able to name all.
        const ended = { ...ours, userId: { $eq: userId }, revokedAt: { $ne: null } }
        await sessions.deleteMany(ended, options.write)
        return ids
      }),
  }
}

function toDocument(session: NewSession, config: SessionConfig, now: Date): SessionDocument {
  const { token, userId, secretName, device, address } = session
  return {
    _id: token.sid,
    [MARK]: 'session',
    issuer: config.issuer,
    clientId: config.clientId,
    userId,
    current: hashRefreshToken(token),
    previous: null,
    secretName,
    generation: token.generation,
    createdAt: now,
    rotatedAt: now,
    lastUsedAt: now,
    idleExpiresAt: idleExpiry(config, now),
    expiresAt: new Date(now.getTime() + config.refreshTokenTtlSeconds * 1000),
    revokedAt: null,
    device,
    address,
  }
}

function idleExpiry({ refreshTokenIdleSeconds }: SessionConfig, now: Date): Date {
  return new Date(now.getTime() + refreshTokenIdleSeconds * 1000)
}

function unavailable(cause: unknown): CustomUserDataError {
  return new CustomUserDataError(
    'sessions_unavailable',
    'The session could not be read or written in time.',
    {
      cause,
    },
  )
}
