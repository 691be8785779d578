import type { Collection, Document } from 'mongodb'
import type { Clock } from '../clock.js'
import { createChangeFeed } from '../mongo/change-stream.js'
import type { ChangeEvent, ChangeFeed, ChangeSource } from '../mongo/change-stream.js'
import { userIdOf } from './disabled-users.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'

/** What the feed works with. */
export interface SessionFeedParts {
  readonly openCollection: () => Promise<Collection>
  readonly store: SessionStore
  readonly revocations: Revocations
  readonly clock: Clock
  readonly report: ChangeSource<SessionChange>['report']
}

/** How long the feed looks back, and how often where its stream is broken. */
export interface SessionFeedConfig {
  /** Milliseconds that an access token of a revoked session may live on. */
  readonly accessTokenMs: number
  readonly changeStreamTimeoutMs: number
}

interface SessionChange extends ChangeEvent {
  readonly documentKey?: { readonly _id: unknown }
  readonly revokedAt?: Date | null
  /** Of a user who was disabled. */
  readonly disabledAt?: Date
}

/** Logins and refreshes stay on the server: what is sent is what ends something. */
const PIPELINE: readonly Document[] = [
  {
    $match: {
      $or: [
        { operationType: { $in: ['delete', 'replace', 'invalidate'] } },
        { operationType: 'update', 'updateDescription.updatedFields.revokedAt': { $type: 'date' } },
        { operationType: 'insert', 'fullDocument.disabledAt': { $type: 'date' } },
      ],
    },
  },
  {
    $project: {
      operationType: 1,
      documentKey: 1,
      revokedAt: '$fullDocument.revokedAt',
      disabledAt: '$fullDocument.disabledAt',
    },
  },
]

/** Follows the sessions: what another process has ended is ended here, too. */
export function createSessionFeed(config: SessionFeedConfig, parts: SessionFeedParts): ChangeFeed {
  const { openCollection, store, revocations, clock, report } = parts

  function handle({ operationType, documentKey, revokedAt, disabledAt }: SessionChange): void {
    const key = documentKey?._id
    if (typeof key !== 'string') return
    const disabledUser = userIdOf(key)
    if (disabledUser === undefined) {
      // What was replaced by a session that is alive has not ended.
      if (operationType !== 'replace' || revokedAt) revocations.revokeSession(key)
    } else if (disabledAt instanceof Date) {
      revocations.revokeUser(disabledUser, disabledAt.getTime())
    }
  }

  /** Sessions that were deleted leave no trace; those that were revoked are still there. */
  async function resync(): Promise<void> {
    const since = new Date(clock.now() - config.accessTokenMs)
    for (const sid of await store.listRevoked(since)) revocations.revokeSession(sid)
  }

  return createChangeFeed<SessionChange>(
    { collection: openCollection, pipeline: PIPELINE, handle, resync, report },
    { timeoutMs: config.changeStreamTimeoutMs, clock },
  )
}
