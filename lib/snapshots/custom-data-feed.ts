import type { Collection, Document } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { createChangeFeed } from '../mongo/change-stream.js'
import type { ChangeEvent, ChangeFeed, ChangeSource } from '../mongo/change-stream.js'
import type { AskPrimary } from '../mongo/primary-state.js'
import type { Snapshots } from './snapshots.js'

export interface CustomDataFeedConfig {
  readonly userIdField: string
  /** How many milliseconds snapshots may be served while the stream is broken. */
  readonly changeStreamTimeoutMs: number
}

/** The collection that the feed follows, and the snapshots that its events invalidate. */
export interface CustomDataFeedParts {
  readonly openCollection: () => Promise<Collection>
  readonly primary: AskPrimary
  readonly snapshots: Pick<Snapshots, 'changed' | 'invalidateAll'>
  readonly clock: Clock
  readonly report: ChangeSource<CustomDataEvent>['report']
}

/** The part of a change event that the server sends. */
interface CustomDataEvent extends ChangeEvent {
  /** Absent if the event concerns the whole collection. */
  readonly documentKey?: { readonly _id?: unknown }
  /** The user id that the document has now; absent if it was deleted or has none. */
  readonly userId?: unknown
}

/**
 * Invalidates snapshots when custom data changes. A change event names the document, which finds the user who had it. It also
 * has the user id of the document now, which finds the user who has it from now on.
 */
export function createCustomDataFeed(
  { userIdField, changeStreamTimeoutMs }: CustomDataFeedConfig,
  { openCollection, primary, snapshots, clock, report }: CustomDataFeedParts,
): ChangeFeed {
  return createChangeFeed<CustomDataEvent>(
    {
      collection: openCollection,
      primary,
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

/** Only the user's id is needed, so the documents stay on the server. */
function toPipeline(userIdField: string): Document[] {
  return [
    {
      $project: {
        operationType: 1,
        clusterTime: 1,
        documentKey: 1,
        userId: `$fullDocument.${userIdField}`,
      },
    },
  ]
}
