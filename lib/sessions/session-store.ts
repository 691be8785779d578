import { isDate } from 'node:util/types'
import type { Collection, Filter, UpdateFilter } from 'mongodb'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { MARK } from '../mongo/own-collection.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { hashRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import { ENDED_KEPT_SECONDS, SessionCollection } from './session-collection.js'
import type { OpenSessions } from './session-collection.js'
import { toNewDocument, withIssue } from './session-document.js'
import type {
  BegunSession,
  EndedSession,
  ListedSession,
  SessionDocument,
  SessionToStore,
} from './session-document.js'
import type { SessionScope } from './session-scope.js'

/** Which sessions of a user are too many. */
interface SessionsBeyond {
  /** How many sessions the user may have. The session that has just begun is one of them. */
  readonly kept: number
  /** How many sessions one login ends at most. */
  readonly most: number
}

/** An exchange of a refresh token for its successor. */
interface Exchange {
  readonly token: RefreshToken
  readonly successor: RefreshToken
  readonly secretName: string
  /** Whether sessions rotate whose login did not decide it. */
  readonly rotates: boolean
}

/** A session with the database server's time while it was read. */
export type TimedSession = SessionDocument & { readonly serverTime: Date }

interface SessionStoreConfig extends SessionScope {
  /** Seconds from the login until the session ends. */
  readonly refreshTokenTtlSeconds: number
  /** Seconds without use until the session ends. */
  readonly refreshTokenIdleSeconds: number
  /** Milliseconds that an operation may take before it is answered with 503. */
  readonly sessionTimeoutMs: number
}

/** How many sessions one command ends or deletes, so that each command stays far below its time limit. */
export const BATCH_SIZE = 1_000
/** How many sessions of a user are listed at most, because a list is built within one turn of the event loop. */
const MAX_LISTED = 1_000

const LISTED = { createdAt: 1, storedAt: 1, lastUsedAt: 1, expiresAt: 1, device: 1, address: 1 }
const STORED_AT = { storedAt: 1 }
const LAST_USED_AT = { lastUsedAt: 1 }

/** Sessions in MongoDB. All methods reject with `sessions_unavailable` if MongoDB does not answer in time. */
export class SessionStore {
  readonly #config: SessionStoreConfig
  readonly #collection: SessionCollection<SessionDocument>
  readonly #clock: Clock
  /** Every filter contains it, so that only sessions of this issuer are found, changed or deleted. */
  readonly #ours: { readonly expressCustomUserData: 'session'; readonly issuer: { readonly $eq: string } }

  constructor(
    config: SessionStoreConfig,
    openCollection: OpenSessions<SessionDocument>,
    events: Events,
    clock: Clock,
  ) {
    this.#config = config
    this.#collection = new SessionCollection('session', config.sessionTimeoutMs, openCollection, events)
    this.#clock = clock
    this.#ours = { [MARK]: 'session', issuer: { $eq: config.issuer } }
  }

  /** Stores a session, and resolves to the server's time. An insert could not store that time, so this is an upsert. */
  insert(session: SessionToStore): Promise<Date> {
    const filter = { _id: { $eq: session.token.sid }, ...this.#ours }
    const now = this.#now()
    const { refreshTokenTtlSeconds, refreshTokenIdleSeconds } = this.#config
    const expiresAt = secondsAfter(now, session.ttlSeconds ?? refreshTokenTtlSeconds)
    const idleExpiresAt = secondsAfter(now, session.idleSeconds ?? refreshTokenIdleSeconds)
    const life = { ...this.#config, now, idleExpiresAt, expiresAt }
    return this.#collection.write(async (sessions, { write }) => {
      const found = await findOneAndUpdate(
        sessions,
        filter,
        [{ $replaceWith: toNewDocument(session, life) }],
        {
          ...write,
          upsert: true,
          returnDocument: 'after',
          projection: STORED_AT,
        },
      )
      if (!isDate(found?.storedAt)) throw new TypeError('The server gave no time of the session.')
      return found.storedAt
    })
  }

  /**
   * Notes that the current token was used, and replaces it by its successor if the session rotates its tokens. Of any number of
   * parallel attempts to replace a token at most one succeeds.
   */
  exchange({ token, successor, secretName, rotates }: Exchange): Promise<SessionDocument | undefined> {
    const now = this.#now()
    const current = hashRefreshToken(token)
    const { clientId } = this.#config
    const filter = { _id: token.sid, ...this.#ours, clientId, current, ...aliveAt(now) }
    const idleSeconds = { $ifNull: ['$idleSeconds', this.#config.refreshTokenIdleSeconds] }
    const used = { lastUsedAt: now, idleExpiresAt: { $add: [now, { $multiply: [idleSeconds, 1000] }] } }
    // Hashes are expressions of MongoDB too, which stand for themselves because they have no `$`.
    const replaced = {
      current: hashRefreshToken(successor),
      previous: current,
      generation: successor.generation,
      issues: withIssue(secretName),
    }
    const change = { $cond: [{ $ifNull: ['$rotates', rotates] }, replaced, {}] }
    const update = [{ $replaceWith: { $mergeObjects: ['$$ROOT', used, change] } }]
    const after = { returnDocument: 'after' } as const
    return this.#collection.write(async (sessions, { write }) => {
      const found = await findOneAndUpdate(sessions, filter, update, { ...write, ...after })
      // A document without a user id is no session, so nothing may be issued for it.
      return typeof found?.userId === 'string' ? found : undefined
    })
  }

  /** The session with this id, if it is alive. */
  find(sid: string): Promise<SessionDocument | undefined> {
    return this.#collection.read(async (sessions, { read }) => {
      const filter = { _id: { $eq: sid }, ...this.#ours, ...aliveAt(this.#now()) }
      return (await sessions.findOne(filter, read)) ?? undefined
    })
  }

  /** The session with this id, if it is alive, with the server's time. */
  findWithTime(sid: string): Promise<TimedSession | undefined> {
    return this.#collection.read(async (sessions, { read }) => {
      const filter = { _id: { $eq: sid }, ...this.#ours, ...aliveAt(this.#now()) }
      const stages = [{ $match: filter }, { $set: { serverTime: '$$NOW' } }]
      const [found] = await sessions.aggregate<TimedSession>(stages, read).toArray()
      return found
    })
  }

  /** Notes that a token was given to a client without an exchange. Resolves to whether the session is alive. */
  noteUse(sid: string): Promise<boolean> {
    return this.#collection.write(async (sessions, { write }) => {
      const now = this.#now()
      const filter = { _id: { $eq: sid }, ...this.#ours, ...aliveAt(now) }
      const { matchedCount } = await sessions.updateOne(filter, { $set: { lastUsedAt: now } }, write)
      return matchedCount === 1
    })
  }

  /** Whether a session ended before a time; `undefined` if it is not stored, so it was deleted, or never began. */
  endedBefore(sid: string, time: Date): Promise<boolean | undefined> {
    return this.#collection.read(async (sessions, { read }) => {
      const session = await sessions.findOne({ _id: { $eq: sid }, ...this.#ours }, read)
      if (!session) return undefined
      const ends = [session.revokedAt, session.idleExpiresAt, session.expiresAt]
      return ends.some(end => isDate(end) && end < time)
    })
  }

  /** The sessions of a user that are alive, newest first, at most 1,000. */
  list(userId: string): Promise<ListedSession[]> {
    return this.#collection.read((sessions, { read }) => {
      const filter = { ...this.#ours, userId: { $eq: userId }, ...aliveAt(this.#now()) }
      const newest = { sort: { createdAt: -1 }, limit: MAX_LISTED, projection: LISTED } as const
      return sessions.find<ListedSession>(filter, { ...read, ...newest }).toArray()
    })
  }

  /**
   * The ids of the sessions that a login ends because its user has too many. The user keeps the session that has just begun,
   * and of the sessions that were stored earlier the ones that were used last. Sessions that were stored later are left to
   * their own logins, so two logins at the same time cannot end each other's session.
   */
  leastRecentlyUsed(begun: BegunSession, { kept, most }: SessionsBeyond): Promise<string[]> {
    return this.#collection.read(async (sessions, { read }) => {
      const ofUser = { ...this.#ours, userId: { $eq: begun.userId }, ...aliveAt(this.#now()) }
      const sort = { lastUsedAt: -1, _id: -1 } as const
      const oldest = { sort, skip: kept - 1, limit: most, projection: { _id: 1 } }
      const found = await sessions
        .find({ ...ofUser, ...storedBefore(begun) }, { ...read, ...oldest })
        .toArray()
      return found.map(({ _id }) => _id)
    })
  }

  /** Ends one session, but only if it belongs to `userId` where that is given. Resolves to its user if it was alive. */
  revoke(sid: string, userId?: string): Promise<string | undefined> {
    return this.#collection.write(async (sessions, { write }) => {
      const ofUser = userId === undefined ? {} : { userId: { $eq: userId } }
      const filter = { _id: { $eq: sid }, ...this.#ours, ...ofUser, ...aliveAt(this.#now()) }
      const found = await findOneAndUpdate(sessions, filter, this.#toEnd(), write)
      return found?.userId
    })
  }

  /** Ends up to 1,000 sessions of a user that were stored no later than `until`. Resolves to those sessions. */
  endBatch(userId: string, until: Date): Promise<EndedSession[]> {
    return this.#collection.write(async (sessions, { read, write }) => {
      const alive = { ...this.#storedUntil(userId, until), revokedAt: null }
      const found = await this.#findBatch(sessions, alive, read)
      if (found.length > 0) {
        await sessions.updateMany({ ...this.#withIds(found), revokedAt: null }, this.#toEnd(), write)
      }
      return found
    })
  }

  /**
   * Deletes up to 1,000 sessions of a user that were stored no later than `until`. Resolves to those sessions, and to how many
   * of them this call removed: another call may remove them at the same time.
   */
  deleteBatch(
    userId: string,
    until: Date,
  ): Promise<{ readonly found: EndedSession[]; readonly removed: number }> {
    return this.#collection.write(async (sessions, { read, write }) => {
      const found = await this.#findBatch(sessions, this.#storedUntil(userId, until), read)
      if (found.length === 0) return { found, removed: 0 }
      const { deletedCount } = await sessions.deleteMany(this.#withIds(found), write)
      return { found, removed: deletedCount }
    })
  }

  /** The ids of sessions that were revoked at `since` or later. Older access tokens than that have expired. */
  listRevoked(since: Date): Promise<string[]> {
    return this.#collection.read(async (sessions, { read }) => {
      // MongoDB uses the partial index only if the filter names the type.
      const revoked = {
        ...this.#ours,
        revokedAt: { $type: 'date', $gte: since },
        lastUsedAt: { $gte: since },
      } as const
      const found = await sessions.find(revoked, { ...read, projection: { _id: 1 } }).toArray()
      return found.map(({ _id }) => _id)
    })
  }

  /** Removes a session whose tokens were never handed out. */
  discard(sid: string): Promise<void> {
    return this.#collection.write(async (sessions, { write }) => {
      await sessions.deleteOne({ _id: { $eq: sid }, ...this.#ours }, write)
    })
  }

  /** A session without a time counts as an old one, as it does for a refresh. */
  #storedUntil(userId: string, until: Date): Filter<SessionDocument> {
    return { ...this.#ours, userId: { $eq: userId }, storedAt: { $not: { $gt: until } } }
  }

  #findBatch(
    sessions: Collection<SessionDocument>,
    filter: Filter<SessionDocument>,
    read: ExactOperations['read'],
  ): Promise<EndedSession[]> {
    const options = { ...read, projection: LAST_USED_AT, limit: BATCH_SIZE }
    return sessions.find<EndedSession>(filter, options).toArray()
  }

  #withIds(found: readonly EndedSession[]): Filter<SessionDocument> {
    return { _id: { $in: found.map(({ _id }) => _id) }, ...this.#ours }
  }

  #toEnd(): UpdateFilter<SessionDocument> {
    const now = this.#now()
    const removedAt = new Date(now.getTime() + ENDED_KEPT_SECONDS * 1000)
    return { $set: { revokedAt: now }, $min: { expiresAt: removedAt } }
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

function secondsAfter(now: Date, seconds: number): Date {
  return new Date(now.getTime() + seconds * 1000)
}

/**
 * Matches sessions that are neither over nor revoked. Every query for sessions that are alive contains this filter, so
 * expiry does not depend on when the server removes documents, and a document without the dates is no session.
 */
function aliveAt(now: Date): Filter<SessionDocument> {
  return { revokedAt: null, expiresAt: { $gt: now }, idleExpiresAt: { $gt: now } }
}

/** Matches sessions that were stored before a session. Sessions of the same millisecond have the order of their ids. */
function storedBefore({ sid, storedAt }: BegunSession): Filter<SessionDocument> {
  const time = new Date(storedAt)
  return {
    $or: [{ storedAt: { $not: { $gte: time } } }, { storedAt: { $eq: time }, _id: { $lt: sid } }],
  }
}
