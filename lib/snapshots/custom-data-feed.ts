import type { Document } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { createChangeFeed } from '../mongo/change-stream.js'
import type { ChangeEvent, ChangeFeed, ChangeSource } from '../mongo/change-stream.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { Snapshots } from './snapshots.js'

/** The field of the user's id, and how long snapshots are served while the stream is broken. */
export interface CustomDataFeedConfig {
  readonly userIdField: string
  /** How many milliseconds snapshots may be served while the stream is broken. */
  readonly changeStreamTimeoutMs: number
}

/** The collection that the feed follows, and the snapshots that its events invalidate. */
export interface CustomDataFeedParts {
  readonly database: Pick<TeamDatabase, 'collection'>
  readonly snapshots: Pick<Snapshots, 'changed' | 'invalidateAll'>
  readonly clock: Clock
  readonly report: ChangeSource<DocumentChange>['report']
}

/** A change of a document: all that is sent of it. */
interface DocumentChange extends ChangeEvent {
  /** Absent where the whole collection is concerned. */
  readonly documentKey?: { readonly _id?: unknown }
  /** Whose the document is now; absent where it is gone, or nobody's. */
  readonly userId?: unknown
}

/**
 * Follows the custom data. A change names the document, by which whoever had it is found, and the user id that it holds
 * now, by which whoever has it from now on is found.
 */
export function createCustomDataFeed(
  { userIdField, changeStreamTimeoutMs }: CustomDataFeedConfig,
  { database, snapshots, clock, report }: CustomDataFeedParts,
): ChangeFeed {
  return createChangeFeed<DocumentChange>(
    {
      collection: () => database.collection(),
      pipeline: toPipeline(userIdField),
      handle({ documentKey, userId }) {
        if (documentKey) snapshots.changed(documentKey._id, userId)
      },
      resync: snapshots.invalidateAll,
      report,
    },
    { timeoutMs: changeStreamTimeoutMs, clock },
  )
}

/** Documents stay on the server: only the user's id is looked at. */
function toPipeline(userIdField: string): Document[] {
  return [{ $project: { operationType: 1, documentKey: 1, userId: `$fullDocument.${userIdField}` } }]
}
