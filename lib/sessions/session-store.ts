import type { Collection, Filter } from 'mongodb'
import type { Clock } from '../util/clock.js'
import type { Events } from '../events.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { MARK } from '../mongo/own-collection.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { hashRefreshToken } from './refresh-token.js'
import type { RefreshToken } from './refresh-token.js'
import { SessionCollection } from './session-collection.js'
import type { SessionScope } from './session-scope.js'

/** A session as stored: one document for each login. No token can be made from it. */
export interface SessionDocument extends SessionOrigin {
  /** The session's id, `sid`. */
  readonly _id: string
  /** Marks the document as ours, and as a session. */
  readonly expressCustomUserData: 'session'
  /** The issuer and the client of the session's tokens. Other instances do not take its refresh tokens. */
  readonly issuer: string
  readonly clientId: string
  readonly userId: string
  /** SHA-256 of the current refresh token. */
  readonly current: string
  /** SHA-256 of the token that was exchanged for the current one, if any. */
  readonly previous: string | null
  /** The name of the session secret that derived the current token. */
  readonly secretName: string
  /** How often the token was exchanged. */
  readonly generation: number
  readonly createdAt: Date
  readonly rotatedAt: Date
  readonly lastUsedAt: Date
  /** When the session ends if it is not used before. */
  readonly idleExpiresAt: Date
  /** When the session ends at the latest: no exchange moves this date (RFC 9700 4.14.2, ASVS 10.4.8). */
  readonly expiresAt: Date
  readonly revokedAt: Date | null
}

/** Details of the login by which users recognise their sessions. */
export interface SessionOrigin {
  /** A label such as `Firefox on Linux`. */
  readonly device: string | null
  /** The client's IP address. */
  readonly address: string | null
}

/** A session that begins. */
interface SessionToStore extends SessionOrigin {
  readonly token: RefreshToken
  readonly userId: string
  readonly secretName: string
}

/** An exchange of a refresh token for its successor. */
interface Exchange {
  readonly token: RefreshToken
  readonly successor: RefreshToken
  readonly secretName: string
}

interface SessionStoreConfig extends SessionScope {
  /** Seconds from the login until the session ends. */
  readonly refreshTokenTtlSeconds: number
  /** Seconds without use until the session ends. */
  readonly refreshTokenIdleSeconds: number
  /** Milliseconds that an operation may take before it is answered with 503. */
  readonly sessionTimeoutMs: number
}

/** Creates the store over a collection. */
export function createSessionStore(
  config: SessionStoreConfig,
  openCollection: () => Promise<Collection<SessionDocument>>,
  events: Events,
  clock: Clock,
): SessionStore {
  return new SessionStore(config, openCollection, events, clock)
}

/** Sessions in MongoDB. All methods reject with `sessions_unavailable` if MongoDB does not answer in time. */
export class SessionStore {
  readonly #config: SessionStoreConfig
  readonly #collection: SessionCollection<SessionDocument>
  readonly #clock: Clock
  /** Every filter contains it, so that only sessions of this issuer are found, changed or deleted. */
  readonly #ours: { readonly expressCustomUserData: 'session'; readonly issuer: { readonly $eq: string } }

  constructor(
    config: SessionStoreConfig,
    openCollection: () => Promise<Collection<SessionDocument>>,
    events: Events,
    clock: Clock,
  ) {
    this.#config = config
    this.#collection = new SessionCollection('session', config.sessionTimeoutMs, openCollection, events)
    this.#clock = clock
    this.#ours = { [MARK]: 'session', issuer: { $eq: config.issuer } }
  }

  insert(session: SessionToStore): Promise<void> {
    return this.#collection.write(async (sessions, { insert }) => {
      await sessions.insertOne(this.#toDocument(session), insert)
    })
  }

  /** Replaces the current token by its successor. Of any number of parallel attempts at most one succeeds. */
  exchange({ token, successor, secretName }: Exchange): Promise<SessionDocument | undefined> {
    return this.#use(token, {
      current: hashRefreshToken(successor),
      previous: hashRefreshToken(token),
      generation: successor.generation,
      rotatedAt: this.#now(),
      secretName,
    })
  }

  /** Notes that the current token was used, without an exchange. */
  touch(token: RefreshToken): Promise<SessionDocument | undefined> {
    return this.#use(token, {})
  }

  /** The session with this id, if it is alive. */
  find(sid: string): Promise<SessionDocument | undefined> {
    return this.#collection.read(async (sessions, { read }) => {
      const filter = { _id: { $eq: sid }, ...this.#ours, ...aliveAt(this.#now()) }
      return (await sessions.findOne(filter, read)) ?? undefined
    })
  }

  /** The sessions of a user that are alive, newest first. */
  list(userId: string): Promise<SessionDocument[]> {
    return this.#collection.read((sessions, { read }) => {
      const filter = { ...this.#ours, userId: { $eq: userId }, ...aliveAt(this.#now()) }
      return sessions.find(filter, { ...read, sort: { createdAt: -1 } }).toArray()
    })
  }

  /** Ends one session, but only if it belongs to `userId` where that is given. Resolves to its user if it was alive. */
  revoke(sid: string, userId?: string): Promise<string | undefined> {
    return this.#collection.write(async (sessions, { write }) => {
      const ofUser = userId === undefined ? {} : { userId: { $eq: userId } }
      const filter = { _id: { $eq: sid }, ...this.#ours, ...ofUser, ...aliveAt(this.#now()) }
      const found = await findOneAndUpdate(sessions, filter, { $set: { revokedAt: this.#now() } }, write)
      return found?.userId
    })
  }

  /** Ends all sessions of a user. Resolves to the ids of all that have ended, because their access tokens may live on. */
  revokeAll(userId: string): Promise<string[]> {
    return this.#collection.write((sessions, options) => this.#revokeAllIn(sessions, options, userId))
  }

  /** The ids of sessions that were revoked at `since` or later. */
  listRevoked(since: Date): Promise<string[]> {
    return this.#collection.read(async (sessions, { read }) => {
      // MongoDB uses the partial index only if the filter names the type.
      const revoked = { ...this.#ours, revokedAt: { $type: 'date', $gte: since } } as const
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

  /** Ends and removes all sessions of a user. Resolves to their ids. */
  deleteAll(userId: string): Promise<string[]> {
    return this.#collection.write(async (sessions, options) => {
      const ids = await this.#revokeAllIn(sessions, options, userId)
      // The filter does not list the ids, because one command may not have room for all of them.
      const ended = { ...this.#ours, userId: { $eq: userId }, revokedAt: { $ne: null } }
      await sessions.deleteMany(ended, options.write)
      return ids
    })
  }

  #use(token: RefreshToken, change: Partial<SessionDocument>): Promise<SessionDocument | undefined> {
    const now = this.#now()
    const current = hashRefreshToken(token)
    const { clientId } = this.#config
    const filter = { _id: token.sid, ...this.#ours, clientId, current, ...aliveAt(now) }
    const update = { $set: { lastUsedAt: now, idleExpiresAt: this.#idleExpiry(now), ...change } }
    return this.#collection.write(async (sessions, { write }) => {
      const found = await findOneAndUpdate(sessions, filter, update, write)
      // A document without a user id is no session, so nothing may be issued for it.
      return typeof found?.userId === 'string' ? found : undefined
    })
  }

  async #revokeAllIn(
    sessions: Collection<SessionDocument>,
    { read, write }: ExactOperations,
    userId: string,
  ): Promise<string[]> {
    const ofUser = { ...this.#ours, userId: { $eq: userId } }
    await sessions.updateMany({ ...ofUser, revokedAt: null }, { $set: { revokedAt: this.#now() } }, write)
    const ended = { ...ofUser, revokedAt: { $ne: null } }
    const found = await sessions.find(ended, { ...read, projection: { _id: 1 } }).toArray()
    return found.map(({ _id }) => _id)
  }

  #toDocument({ token, userId, secretName, device, address }: SessionToStore): SessionDocument {
    const { issuer, clientId, refreshTokenTtlSeconds } = this.#config
    const now = this.#now()
    return {
      _id: token.sid,
      [MARK]: 'session',
      issuer,
      clientId,
      userId,
      current: hashRefreshToken(token),
      previous: null,
      secretName,
      generation: token.generation,
      createdAt: now,
      rotatedAt: now,
      lastUsedAt: now,
      idleExpiresAt: this.#idleExpiry(now),
      expiresAt: new Date(now.getTime() + refreshTokenTtlSeconds * 1000),
      revokedAt: null,
      device,
      address,
    }
  }

  #idleExpiry(now: Date): Date {
    return new Date(now.getTime() + this.#config.refreshTokenIdleSeconds * 1000)
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

/**
 * Matches sessions that are neither over nor revoked. Every query for sessions that are alive contains this filter, so
 * expiry does not depend on when the server removes documents, and a document without the dates is no session.
 */
function aliveAt(now: Date): Filter<SessionDocument> {
  return { revokedAt: null, expiresAt: { $gt: now }, idleExpiresAt: { $gt: now } }
}
