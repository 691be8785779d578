import type { Collection, Filter } from 'mongodb'
import type { Clock } from '../clock.js'
import { createIndexCommand, ensureIndex } from '../mongo/indexes.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { withDeadline } from '../deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { createRefreshToken, hashRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'

/** A session as stored: one document for each login. No token can be made from it. */
export interface SessionDocument {
  /** The session's id, `sid`. */
  readonly _id: string
  readonly userId: string
  /** SHA-256 of the one refresh token that is good now. */
  readonly current: string
  /** How often it was exchanged. */
  readonly generation: number
  readonly createdAt: Date
  readonly rotatedAt: Date
  /** Absolute: no exchange moves it (RFC 9700 4.14.2, ASVS 10.4.8). */
  readonly expiresAt: Date
  readonly revokedAt: Date | null
}

/** How sessions live. */
export interface SessionConfig {
  readonly refreshTokenTtlSeconds: number
  /** Milliseconds that an operation may take before it is answered with 503. */
  readonly sessionTimeoutMs: number
}

/** Persistence of sessions. All methods reject with `sessions_unavailable` where MongoDB is away. */
export interface SessionStore {
  /** Starts a session; resolves to its first refresh token. */
  create(sid: string, userId: string): Promise<RefreshToken>
  /** The session that a refresh token is good for, if any; nothing is changed. */
  find(token: RefreshToken): Promise<{ readonly userId: string } | undefined>
  /** Exchanges a token for its successor: at most one of any number of parallel attempts succeeds. */
  rotate(token: RefreshToken): Promise<RefreshToken | undefined>
  /** Ends the session of a token that is still good. */
  revoke(token: RefreshToken): Promise<void>
  /** Makes the indexes, or warns where it may not. */
  ensureIndexes(): Promise<void>
}

/**
 * One operation on the collection. `abort` goes into its options: without it the driver would go on trying
 * after the deadline, and consume a token whose owner was told that nothing happened.
 */
type SessionOperation<T> = (
  sessions: Collection<SessionDocument>,
  abort: { readonly signal: AbortSignal },
) => Promise<T>

const INDEXES = [
  // Only cleans up: whether a session is over is decided by each query.
  { field: 'expiresAt', options: { name: 'session_expiry', expireAfterSeconds: 0 } },
  { field: 'userId', options: { name: 'session_user' } },
] as const

/** Creates the store over a collection. */
export function createSessionStore(
  config: SessionConfig,
  openCollection: () => Promise<Collection<SessionDocument>>,
  events: Events,
  clock: Clock,
): SessionStore {
  const timeoutMs = config.sessionTimeoutMs
  const readOptions = { ...PLAIN_BSON, readPreference: 'primary', maxTimeMS: timeoutMs } as const
  // Majority: a session that was answered must not be rolled back by a failover.
  const writeOptions = { ...PLAIN_BSON, writeConcern: { w: 'majority', wtimeoutMS: timeoutMs } } as const

  async function run<T>(operation: SessionOperation<T>): Promise<T> {
    try {
      return await withDeadline(timeoutMs, async signal => operation(await openCollection(), { signal }))
    } catch (cause) {
      throw asCustomUserDataError(cause) ?? unavailable(cause)
    }
  }

  /** Single use and expiry are decided in the query itself (ASVS 15.4.2). */
  const goodFor = (token: RefreshToken): Filter<SessionDocument> => ({
    _id: token.sid,
    current: hashRefreshToken(token),
    revokedAt: null,
    expiresAt: { $gt: new Date(clock.now()) },
  })

  return {
    create: (sid, userId) =>
      run(async (sessions, abort) => {
        const refreshToken = createRefreshToken(sid, 0)
        const session = toDocument(userId, refreshToken, config, clock.now())
        await sessions.insertOne(session, { ...writeOptions, ...abort })
        return refreshToken
      }),
    find: token =>
      run(async (sessions, abort) => {
        const found = await sessions.findOne(goodFor(token), {
          ...readOptions,
          ...abort,
          projection: { _id: 0, userId: 1 },
        })
        return found ? { userId: found.userId } : undefined
      }),
    rotate: token =>
      run(async (sessions, abort) => {
        const successor = createRefreshToken(token.sid, token.generation + 1)
        const rotated = await sessions.updateOne(
          goodFor(token),
          {
            $set: { current: hashRefreshToken(successor), rotatedAt: new Date(clock.now()) },
            $inc: { generation: 1 },
          },
          { ...writeOptions, ...abort },
        )
        return rotated.modifiedCount === 1 ? successor : undefined
      }),
    revoke: token =>
      run(async (sessions, abort) => {
        await sessions.updateOne(
          goodFor(token),
          { $set: { revokedAt: new Date(clock.now()) } },
          { ...writeOptions, ...abort },
        )
      }),
    ensureIndexes: async () => ensureIndexes(await openCollection(), events),
  }
}

function toDocument(
  userId: string,
  token: RefreshToken,
  config: SessionConfig,
  now: number,
): SessionDocument {
  const createdAt = new Date(now)
  return {
    _id: token.sid,
    userId,
    current: hashRefreshToken(token),
    generation: token.generation,
    createdAt,
    rotatedAt: createdAt,
    expiresAt: new Date(now + config.refreshTokenTtlSeconds * 1000),
    revokedAt: null,
  }
}

async function ensureIndexes(sessions: Collection<SessionDocument>, events: Events): Promise<void> {
  for (const { field, options } of INDEXES) {
    const outcome = await ensureIndex(sessions, field, options)
    if (outcome === 'there') continue
    const command = createIndexCommand(sessions.collectionName, field, options)
    events.warn({
      code: 'session_index_missing',
      message: `The index on "${field}" of ${sessions.namespace} could not be made (${outcome}). Please run: ${command}`,
    })
  }
}

function unavailable(cause: unknown): CustomUserDataError {
  return new CustomUserDataError(
    'sessions_unavailable',
    'The session could not be read or written in time.',
    { cause },
  )
}
