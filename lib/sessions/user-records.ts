import { isDate } from 'node:util/types'
import { setTimeout as wait } from 'node:timers/promises'
import type { Collection, Document } from 'mongodb'
import type { Events } from '../events.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { MARK } from '../mongo/own-collection.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { SessionCollection } from './session-collection.js'
import type { OpenSessions } from './session-collection.js'
import { toIssuerKey } from './session-scope.js'

/** The record of a user who was revoked or disabled, stored in the collection of the sessions. */
export interface UserRecordDocument {
  /** `user:`, a short digest of the issuer, and the user's id. */
  readonly _id: string
  /** Marks the document as ours, and as the record of a user. */
  readonly expressCustomUserData: 'user'
  /** The server's time of the last `revoke(userId)`, `logoutAll()`, `deleteSessions(userId)` or `disable(userId)`. */
  readonly revokedAt: Date | null
  /** The server's time of `disable(userId)`, until `enable(userId)`. */
  readonly disabledAt: Date | null
  /** When the server may remove the record; `null` while the user is disabled. */
  readonly expiresAt: Date | null
}

/** Whether a user is disabled, and when the user was revoked. Times are the database server's, in milliseconds. */
export interface UserStanding {
  readonly isDisabled: boolean
  /** When all sessions of the user were last revoked; `undefined` if never. */
  readonly revokedAt: number | undefined
}

/** The record of a user as it is stored. */
export type StoredRecord = Pick<UserRecordDocument, 'revokedAt' | 'disabledAt' | 'expiresAt'>

/** The standing of a user, with the server's time in milliseconds while it handled the command. */
interface TimedStanding extends UserStanding {
  readonly serverTime: number
}

/** The time limits of records. */
interface UserRecordsConfig {
  readonly issuer: string
  /** Milliseconds that an operation may take. */
  readonly sessionTimeoutMs: number
  /** Milliseconds after which all tokens from before a revocation have expired, so that the record is removed. */
  readonly recordTtlMs: number
}

/**
 * How many milliseconds the server's clock must have passed a revocation before the call resolves. Two are enough to tell a
 * later login from an earlier one, because BSON dates are whole milliseconds. The others are for pauses of a busy process:
 * a login that begins right after the answer measures its own time with such pauses, and would be answered with 503 in doubt.
 */
const PASSED_BY_MS = 20
/** The longest wait for the server's clock, which may be behind after a failover. */
const LONGEST_WAIT_MS = 100

/** The prefix cannot be part of a session's id, which has no colon. */
const KEY_PREFIX = 'user:'
const NOTHING: UserStanding = { isDisabled: false, revokedAt: undefined }

/**
 * Creates the access to the records of users. All methods reject with `sessions_unavailable` if MongoDB is away. A
 * revocation has the time of the database server, because the clocks of an app's processes differ.
 */
export function createUserRecords(
  config: UserRecordsConfig,
  openCollection: OpenSessions<UserRecordDocument>,
  events: Events,
): UserRecords {
  return new UserRecords(config, openCollection, events)
}

/** One record per user in the collection of the sessions: whether the user is disabled, and when sessions were revoked. */
export class UserRecords {
  readonly #keyPrefix: string
  readonly #collection: SessionCollection<UserRecordDocument>
  /** When the server may remove the record. The record of a disabled user is never removed. */
  readonly #expiresAt: Document

  constructor(
    { issuer, sessionTimeoutMs, recordTtlMs }: UserRecordsConfig,
    openCollection: OpenSessions<UserRecordDocument>,
    events: Events,
  ) {
    this.#keyPrefix = `${KEY_PREFIX}${toIssuerKey(issuer)}:`
    this.#collection = new SessionCollection('record of the user', sessionTimeoutMs, openCollection, events)
    this.#expiresAt = {
      $cond: [{ $eq: ['$disabledAt', null] }, { $add: ['$revokedAt', recordTtlMs] }, null],
    }
  }

  /** The user of this issuer whom the `_id` of a record names; `undefined` for another issuer's record. */
  userIdOf(key: string): string | undefined {
    return key.startsWith(this.#keyPrefix) ? key.slice(this.#keyPrefix.length) : undefined
  }

  /** Notes that all sessions of a user end now, and resolves to the server's time. */
  revoke(userId: string): Promise<number> {
    return this.#revoke(userId, { $ifNull: ['$disabledAt', null] })
  }

  /** Like `revoke()`, and notes that the user is disabled. If the user is disabled already, that time stays. */
  disable(userId: string): Promise<number> {
    return this.#revoke(userId, { $ifNull: ['$disabledAt', '$$NOW'] })
  }

  /** Notes that a user is not disabled any more. The revocation stays. */
  enable(userId: string): Promise<void> {
    return this.#collection.write(async (records, { write }) => {
      const update = [{ $set: { disabledAt: null } }, { $set: { expiresAt: this.#expiresAt } }]
      await records.updateOne(this.#ofUser(userId), update, write)
    })
  }

  /**
   * Lets the record expire `ttlMs` after a revocation, also if the user was disabled, and resolves to that time. Call it when
   * no session from before is stored any more. A later revocation keeps its own time.
   */
  release(userId: string, revokedAt: number, ttlMs: number): Promise<Date> {
    const expiresAt = new Date(revokedAt + ttlMs)
    return this.#collection.write(async (records, { write }) => {
      const filter = { ...this.#ofUser(userId), revokedAt: { $eq: new Date(revokedAt) } }
      await records.updateOne(filter, { $set: { disabledAt: null, expiresAt } }, write)
      return expiresAt
    })
  }

  /** The record as it is stored, for the user to read. */
  describe(userId: string): Promise<StoredRecord | undefined> {
    return this.#collection.read(async (records, { read }) => {
      const projection = { _id: 0, revokedAt: 1, disabledAt: 1, expiresAt: 1 }
      return (await records.findOne<StoredRecord>(this.#ofUser(userId), { ...read, projection })) ?? undefined
    })
  }

  find(userId: string): Promise<UserStanding> {
    return this.#collection.read(async (records, { read }) => {
      const projection = { revokedAt: 1, disabledAt: 1 }
      const found = await records.findOne(this.#ofUser(userId), { ...read, projection })
      return found ? toStanding(found) : NOTHING
    })
  }

  /** The record with the server's time; `undefined` if the user has no record. */
  findWithTime(userId: string): Promise<TimedStanding | undefined> {
    return this.#collection.read((records, { read }) => this.#readWithTime(records, userId, read))
  }

  /** Resolves when the server's clock has passed a revocation, so that a login that begins afterwards works. */
  passed(userId: string, revokedAt: number): Promise<void> {
    return this.#collection.read(async (records, { read }) => {
      for (;;) {
        const found = await this.#readWithTime(records, userId, read)
        if (!found) throw new TypeError('The record of the revocation was deleted.')
        const leftMs = revokedAt + PASSED_BY_MS - found.serverTime
        if (leftMs <= 0) return
        await wait(Math.min(leftMs, LONGEST_WAIT_MS))
        read.signal.throwIfAborted()
      }
    })
  }

  /** Users of this issuer whose sessions were revoked at `since` or later, with the time of the revocation. */
  listRevoked(since: Date): Promise<{ readonly userId: string; readonly revokedAt: number }[]> {
    return this.#collection.read(async (records, { read }) => {
      // MongoDB uses the partial index only if the filter names the type.
      const revoked = { [MARK]: 'user', revokedAt: { $type: 'date', $gte: since } } as const
      const found = await records.find(revoked, { ...read, projection: { revokedAt: 1 } }).toArray()
      return found.flatMap(({ _id, revokedAt }) => {
        const userId = this.userIdOf(_id)
        return userId === undefined ? [] : [{ userId, revokedAt: revokedAt?.getTime() ?? 0 }]
      })
    })
  }

  #ofUser(userId: string) {
    return { _id: { $eq: this.#keyPrefix + userId }, [MARK]: 'user' } as const
  }

  /** Writes a revocation with the server's time, and resolves to that time. A later time is never replaced by an earlier. */
  #revoke(userId: string, disabledAt: Document): Promise<number> {
    const update = [
      { $set: { revokedAt: { $max: ['$revokedAt', '$$NOW'] }, disabledAt } },
      { $set: { expiresAt: this.#expiresAt } },
    ]
    return this.#collection.write(async (records, { write }) => {
      const options = {
        ...write,
        upsert: true,
        returnDocument: 'after',
        projection: { revokedAt: 1 },
      } as const
      const upsert = () => findOneAndUpdate(records, this.#ofUser(userId), update, options)
      const written = await upsert().catch((error: unknown) => {
        // Another process has inserted the record at the same time.
        if (hasCode(error, SERVER_ERRORS.duplicateKey)) return upsert()
        throw error
      })
      const revokedAt = written && toStanding(written).revokedAt
      if (revokedAt === undefined) throw new TypeError('The server gave no time of the revocation.')
      return revokedAt
    })
  }

  /** The record and the server's time, read by one command. */
  async #readWithTime(
    records: Collection<UserRecordDocument>,
    userId: string,
    read: ExactOperations['read'],
  ): Promise<TimedStanding | undefined> {
    const [found] = await records
      .aggregate<UserRecordDocument & { readonly serverTime: Date }>(
        [
          { $match: this.#ofUser(userId) },
          { $project: { revokedAt: 1, disabledAt: 1, serverTime: '$$NOW' as unknown as Date } },
        ],
        read,
      )
      .toArray()
    return found && { ...toStanding(found), serverTime: found.serverTime.getTime() }
  }
}

/**
 * Whether a session that was stored at this time, by the server's clock, has ended with all sessions of its user. A session
 * without a time, which this package did not store, counts as an old one.
 */
export function endedWithAll(storedAt: unknown, { isDisabled, revokedAt }: UserStanding): boolean {
  if (isDisabled) return true
  return revokedAt !== undefined && !(isDate(storedAt) && storedAt.getTime() > revokedAt)
}

/** Whether the `_id` of a document is that of a user's record, and not of a session. */
export function isRecordKey(key: string): boolean {
  return key.startsWith(KEY_PREFIX)
}

/** A value that is not a date was written by hand. In doubt the user is refused. */
function toStanding({ revokedAt, disabledAt }: Partial<UserRecordDocument>): UserStanding {
  const isUnreadable = revokedAt !== undefined && revokedAt !== null && !isDate(revokedAt)
  return {
    isDisabled: isUnreadable || (disabledAt !== undefined && disabledAt !== null),
    revokedAt: isDate(revokedAt) ? revokedAt.getTime() : undefined,
  }
}
