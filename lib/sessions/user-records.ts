import { isDate } from 'node:util/types'
import { setTimeout as wait } from 'node:timers/promises'
import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../deadline.js'
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

/** What MongoDB holds against a user. Times are the server's, in milliseconds. */
export interface UserStanding {
  readonly isDisabled: boolean
  /** When all sessions of the user were last revoked; `undefined` if never. */
  readonly revokedAt: number | undefined
}

/** How records are kept. */
export interface UserRecordsConfig {
  readonly issuer: string
  /** Milliseconds that an operation may take. */
  readonly sessionTimeoutMs: number
  /** Milliseconds after which no token from before a revocation can be alive: the record is removed then. */
  readonly recordTtlMs: number
}

/**
 * How far the server's clock must have passed a revocation before it is answered, in milliseconds. BSON dates are whole
 * milliseconds, so one says that the millisecond of the revocation is over, and one more that a login which begins now
 * is seen to begin after it.
 */
const PASSED_BY_MS = 2
/** After a failover the clock of the new primary may be behind. */
const LONGEST_WAIT_MS = 100

/** No session's id has a colon. */
const KEY_PREFIX = 'user:'
const NOTHING: UserStanding = { isDisabled: false, revokedAt: undefined }

/** Records of users, one a user, in the collection of the sessions: who is disabled, and when sessions were revoked. */
export type UserRecords = ReturnType<typeof createUserRecords>

/**
 * Creates the access to the records of users. All methods reject with `sessions_unavailable` where MongoDB is away.
 * Revocations bear the time of the database's server, because the processes of an app have clocks that differ.
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

  /** A server that is not the primary refuses writes by itself, but not reads. */
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

  /** The record's end, for the server's clean-up. A disabled user's record has none. */
  const expiresAt = {
    $cond: [{ $eq: ['$disabledAt', null] }, { $add: ['$revokedAt', recordTtlMs] }, null],
  }

  /** Writes a revocation at the server's time, and resolves to that time. An earlier time never replaces a later one. */
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
        // Another process has made the record at the same time.
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
    /** Notes that all sessions of a user end now; the server's time of that. */
    revoke: (userId: string) => revoke(userId, { $ifNull: ['$disabledAt', null] }),
    /** The same, and notes that the user is disabled, since the first time. */
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
    /** The same with the server's time; `undefined` where nothing was ever held against the user. */
    findWithTime: (userId: string) => runRead((records, read) => readWithTime(records, userId, read)),
    /** Resolves when the server's clock has passed a revocation, so that a login which begins then works. */
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
    /** Users of this issuer whose sessions were revoked at that time or later, and when. */
    listRevoked: (since: Date): Promise<{ readonly userId: string; readonly revokedAt: number }[]> =>
      runRead(async (records, read) => {
        // The type is named for the partial index's sake.
        const revoked = { [MARK]: 'user', revokedAt: { $type: 'date', $gte: since } } as const
        const found = await records.find(revoked, { ...read, projection: { revokedAt: 1 } }).toArray()
        return found.flatMap(({ _id, revokedAt }) => {
          const userId = userIdOf(_id)
          return userId === undefined ? [] : [{ userId, revokedAt: revokedAt?.getTime() ?? 0 }]
        })
      }),
  }
}

/** Whether the `_id` of a document names the record of a user, and not a session. */
export function isRecordKey(key: string): boolean {
  return key.startsWith(KEY_PREFIX)
}

/** A value that is no date was written by hand: in doubt the user is refused. */
function toStanding({ revokedAt, disabledAt }: Partial<UserRecordDocument>): UserStanding {
  const isUnreadable = revokedAt !== undefined && revokedAt !== null && !isDate(revokedAt)
  return {
    isDisabled: isUnreadable || (disabledAt !== undefined && disabledAt !== null),
    revokedAt: isDate(revokedAt) ? revokedAt.getTime() : undefined,
  }
}
