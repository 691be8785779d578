import { isDate } from 'node:util/types'
import { setTimeout as wait } from 'node:timers/promises'
import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import { MARK } from '../mongo/own-collection.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import type { UserRecordDocument } from './session-document.js'
import { toIssuerKey } from './session-scope.js'

/** Whether a user is disabled, and when the user was revoked. Times are the database server's, in milliseconds. */
export interface UserStanding {
  readonly isDisabled: boolean
  /** When all sessions of the user were last revoked; `undefined` if never. */
  readonly revokedAt: number | undefined
}

/** The time limits of records. */
export interface UserRecordsConfig {
  readonly issuer: string
  /** Milliseconds that an operation may take. */
  readonly sessionTimeoutMs: number
  /** Milliseconds after which all tokens from before a revocation have expired, so that the record is removed. */
  readonly recordTtlMs: number
}

/**
 * How many milliseconds the server's clock must have passed a revocation before the call resolves. BSON dates are whole
 * milliseconds. After one the millisecond of the revocation is over; after the second a new login is surely later.
 */
const PASSED_BY_MS = 2
/** The longest wait for the server's clock, which may be behind after a failover. */
const LONGEST_WAIT_MS = 100

/** The prefix cannot be part of a session's id, which has no colon. */
const KEY_PREFIX = 'user:'
const NOTHING: UserStanding = { isDisabled: false, revokedAt: undefined }

/** One record per user in the collection of the sessions: whether the user is disabled, and when sessions were revoked. */
export type UserRecords = ReturnType<typeof createUserRecords>

/**
 * Creates the access to the records of users. All methods reject with `sessions_unavailable` if MongoDB is away. A
 * revocation has the time of the database server, because the clocks of an app's processes differ.
 */
export function createUserRecords(
  { issuer, sessionTimeoutMs, recordTtlMs }: UserRecordsConfig,
  openCollection: () => Promise<Collection<UserRecordDocument>>,
  events: Events,
) {
  const keyPrefix = `${KEY_PREFIX}${toIssuerKey(issuer)}:`

  function ofUser(userId: string) {
    return { _id: { $eq: keyPrefix + userId }, [MARK]: 'user' } as const
  }

  /** The user of this issuer whom the `_id` of a record names; `undefined` for another issuer's record. */
  function userIdOf(key: string): string | undefined {
    return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : undefined
  }

  async function run<T>(
    operation: (
      records: Collection<UserRecordDocument>,
      options: ExactOperations,
      signal: AbortSignal,
    ) => Promise<T>,
  ): Promise<T> {
    try {
      return await withDeadline(sessionTimeoutMs, async signal =>
        operation(await openCollection(), toExactOperations(sessionTimeoutMs, signal), signal),
      )
    } catch (cause) {
      const message = 'The record of the user could not be read or written in time.'
      throw (
        asCustomUserDataError(cause) ?? new CustomUserDataError('sessions_unavailable', message, { cause })
      )
    }
  }

  /** Only reads need this check: a server that is not the primary refuses writes by itself. */
  function runRead<T>(
    operation: (
      records: Collection<UserRecordDocument>,
      read: ExactOperations['read'],
      signal: AbortSignal,
    ) => Promise<T>,
  ): Promise<T> {
    return run((records, { read }, signal) =>
      readFromPrimary(records, { signal, events }, () => operation(records, read, signal)),
    )
  }

  /** When the server may remove the record. The record of a disabled user is never removed. */
  const expiresAt = {
    $cond: [{ $eq: ['$disabledAt', null] }, { $add: ['$revokedAt', recordTtlMs] }, null],
  }

  /** Writes a revocation with the server's time, and resolves to that time. A later time is never replaced by an earlier. */
  function revoke(userId: string, disabledAt: Document): Promise<number> {
    const update = [
      { $set: { revokedAt: { $max: ['$revokedAt', '$$NOW'] }, disabledAt } },
      { $set: { expiresAt } },
    ]
    return run(async (records, { write }) => {
      const upsert = () =>
        findOneAndUpdate(records, ofUser(userId), update, {
          ...write,
          upsert: true,
          returnDocument: 'after',
          projection: { revokedAt: 1 },
        })
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
  async function readWithTime(
    records: Collection<UserRecordDocument>,
    userId: string,
    read: ExactOperations['read'],
  ): Promise<(UserStanding & { readonly serverTime: number }) | undefined> {
    const [found] = await records
      .aggregate<UserRecordDocument & { readonly serverTime: Date }>(
        [
          { $match: ofUser(userId) },
          { $project: { revokedAt: 1, disabledAt: 1, serverTime: '$$NOW' as unknown as Date } },
        ],
        read,
      )
      .toArray()
    return found && { ...toStanding(found), serverTime: found.serverTime.getTime() }
  }

  return {
    userIdOf,
    /** Notes that all sessions of a user end now, and resolves to the server's time. */
    revoke: (userId: string) => revoke(userId, { $ifNull: ['$disabledAt', null] }),
    /** Like `revoke()`, and notes that the user is disabled. If the user is disabled already, that time stays. */
    disable: (userId: string) => revoke(userId, { $ifNull: ['$disabledAt', '$$NOW'] }),
    /** Notes that a user is not disabled any more. The revocation stays. */
    enable: (userId: string) =>
      run(async (records, { write }) => {
        await records.updateOne(
          ofUser(userId),
          [{ $set: { disabledAt: null } }, { $set: { expiresAt } }],
          write,
        )
      }),
    find: (userId: string): Promise<UserStanding> =>
      runRead(async (records, read) => {
        const projection = { revokedAt: 1, disabledAt: 1 }
        const found = await records.findOne(ofUser(userId), { ...read, projection })
        return found ? toStanding(found) : NOTHING
      }),
    /** The record with the server's time; `undefined` if the user has no record. */
    findWithTime: (userId: string) => runRead((records, read) => readWithTime(records, userId, read)),
    /** Resolves when the server's clock has passed a revocation, so that a login that begins afterwards works. */
    passed: (userId: string, revokedAt: number): Promise<void> =>
      runRead(async (records, read, signal) => {
        for (;;) {
          const found = await readWithTime(records, userId, read)
          if (!found) throw new TypeError('The record of the revocation was deleted.')
          const leftMs = revokedAt + PASSED_BY_MS - found.serverTime
          if (leftMs <= 0) return
          await wait(Math.min(leftMs, LONGEST_WAIT_MS))
          signal.throwIfAborted()
        }
      }),
    /** Users of this issuer whose sessions were revoked at `since` or later, with the time of the revocation. */
    listRevoked: (since: Date): Promise<{ readonly userId: string; readonly revokedAt: number }[]> =>
      runRead(async (records, read) => {
        // MongoDB uses the partial index only if the filter names the type.
        const revoked = { [MARK]: 'user', revokedAt: { $type: 'date', $gte: since } } as const
        const found = await records.find(revoked, { ...read, projection: { revokedAt: 1 } }).toArray()
        return found.flatMap(({ _id, revokedAt }) => {
          const userId = userIdOf(_id)
          return userId === undefined ? [] : [{ userId, revokedAt: revokedAt?.getTime() ?? 0 }]
        })
      }),
  }
}

/** Whether the `_id` of a document is that of a user's record, and not of a session. */
export function isRecordKey(key: string): boolean {
  return key.startsWith(KEY_PREFIX)
}

/** If a value is no date, somebody wrote it by hand. In doubt the user is refused. */
function toStanding({ revokedAt, disabledAt }: Partial<UserRecordDocument>): UserStanding {
  const isUnreadable = revokedAt !== undefined && revokedAt !== null && !isDate(revokedAt)
  return {
    isDisabled: isUnreadable || (disabledAt !== undefined && disabledAt !== null),
    revokedAt: isDate(revokedAt) ? revokedAt.getTime() : undefined,
  }
}
