import { isDate } from 'node:util/types'
import type { Collection, Document } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { createChangeFeed } from '../mongo/change-stream.js'
import type { ChangeEvent, ChangeFeed, ChangeSource } from '../mongo/change-stream.js'
import { MARK } from '../mongo/own-collection.js'
import type { AskPrimary } from '../mongo/primary-state.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'
import { isRecordKey } from './user-records.js'
import type { UserRecords } from './user-records.js'

interface SessionFeedParts {
  readonly openCollection: () => Promise<Collection>
  readonly primary: AskPrimary
  readonly store: Pick<SessionStore, 'listRevoked'>
  readonly userRecords: Pick<UserRecords, 'listRevoked' | 'userIdOf'>
  readonly revocations: Revocations
  readonly clock: Clock
  readonly report: ChangeSource<SessionChange>['report']
}

interface SessionFeedConfig {
  /** Milliseconds that an access token of a revoked session may live on. */
  readonly accessTokenMs: number
  readonly changeStreamTimeoutMs: number
}

interface SessionChange extends ChangeEvent {
  readonly documentKey?: { readonly _id: unknown }
  readonly mark?: string
  readonly userId?: unknown
  readonly revokedAt?: Date | null
  readonly disabledAt?: Date | null
  readonly lastUsedAt?: Date
}

const CHANGED = 'updateDescription.updatedFields'

/** The stream brings only revocations and deletions; the server filters out logins and refreshes. A deletion has no mark. */
const PIPELINE: readonly Document[] = [
  {
    $match: {
      $or: [
        { operationType: { $in: ['delete', 'replace', 'invalidate'] } },
        {
          operationType: 'update',
          [`fullDocument.${MARK}`]: { $in: ['session', 'user'] },
          $or: [
            { [`${CHANGED}.revokedAt`]: { $type: 'date' } },
            { [`${CHANGED}.disabledAt`]: { $type: 'date' } },
          ],
        },
        { operationType: 'insert', [`fullDocument.${MARK}`]: 'user' },
      ],
    },
  },
  {
    $project: {
      operationType: 1,
      clusterTime: 1,
      documentKey: 1,
      mark: `$fullDocument.${MARK}`,
      userId: '$fullDocument.userId',
      revokedAt: '$fullDocument.revokedAt',
      disabledAt: '$fullDocument.disabledAt',
      lastUsedAt: '$fullDocument.lastUsedAt',
    },
  },
]

/** Creates the feed of sessions. It ends sessions here that another process has ended. */
export function createSessionFeed(config: SessionFeedConfig, parts: SessionFeedParts): ChangeFeed {
  const { openCollection, primary, store, userRecords, revocations, clock, report } = parts

  /** All access tokens of a session that was not used for so long have expired. A deleted session tells no time. */
  function mayHaveTokens(lastUsedAt: Date | undefined): boolean {
    return !isDate(lastUsedAt) || lastUsedAt.getTime() >= clock.now() - config.accessTokenMs
  }

  function handle(change: SessionChange): void {
    const { operationType, documentKey, mark, revokedAt, disabledAt, lastUsedAt } = change
    const key = documentKey?._id
    if (typeof key !== 'string') return
    if (!isRecordKey(key)) {
      if (operationType === 'replace' && mark === 'session' && revokedAt === null) return
      // A deletion tells no user, and a document that was written by hand may have anything there.
      const owner = typeof change.userId === 'string' ? change.userId : undefined
      if (mayHaveTokens(lastUsedAt)) revocations.revokeSession(key, owner)
      else revocations.noteEnd(key, owner)
      return
    }
    const userId = userRecords.userIdOf(key)
    if (userId !== undefined && operationType !== 'delete') {
      revocations.revokeUser(userId, isDate(revokedAt) ? revokedAt.getTime() : undefined)
      revocations.noteDisabled(userId, isDate(disabledAt))
    }
  }

  /** Reads revoked sessions and the records of users. Deleted sessions leave no trace, so they cannot be read. */
  async function resync(): Promise<void> {
    const since = new Date(clock.now() - config.accessTokenMs)
    for (const sid of await store.listRevoked(since)) revocations.revokeSession(sid)
    for (const { userId, revokedAt } of await userRecords.listRevoked(since)) {
      // Not as of now: tokens that were issued since would all cause a read of their session.
      revocations.revokeUser(userId, revokedAt, revokedAt)
    }
  }

  return createChangeFeed<SessionChange>(
    { collection: openCollection, primary, pipeline: PIPELINE, handle, resync, report },
    { timeoutMs: config.changeStreamTimeoutMs, clock },
  )
}
