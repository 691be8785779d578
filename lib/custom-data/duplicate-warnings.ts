import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../deadline.js'
import type { Events } from '../events.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'

/** Users that a warning names. */
const MAX_NAMED = 5
/** The server gives up: the collection is too large to be searched in this time, or in its memory. */
const GAVE_UP = [SERVER_ERRORS.maxTimeMSExpired, SERVER_ERRORS.memoryLimitExceeded]

/** Where duplicates are looked for. */
export interface DuplicateSearch {
  readonly userIdField: string
  /** Milliseconds that the search may take. */
  readonly loadTimeoutMs: number
}

/**
 * Warns where several documents hold one user id, as a text or as an ObjectId. It is no failure that a large collection cannot
 * be searched in time: the warning only helps to tidy up.
 */
export async function warnOfDuplicates(
  collection: Collection,
  { userIdField, loadTimeoutMs }: DuplicateSearch,
  events: Events,
): Promise<void> {
  const pipeline = toPipeline(userIdField)
  let found: Document[]
  try {
    found = await withDeadline(loadTimeoutMs, signal =>
      collection
        .aggregate(pipeline, {
          ...PLAIN_BSON,
          collation: { locale: 'simple' },
          readPreference: 'primary',
          maxTimeMS: loadTimeoutMs,
          signal,
        })
        .toArray(),
    )
  } catch (error) {
    if (isTimeout(error) || hasCode(error, ...GAVE_UP)) return
    throw error
  }
  if (found.length === 0) return
  const ids = found.slice(0, MAX_NAMED).map(({ _id }) => JSON.stringify(_id))
  const others = found.length > MAX_NAMED ? ' and others' : ''
  events.warn({
    code: 'duplicate_documents',
    message:
      `Several documents of ${collection.namespace} hold the same user id in "${userIdField}": ${ids.join(', ')}${others}. ` +
      'The one that was inserted first is used, and texts go before ObjectIds. Remove the other documents. The option ' +
      'uniqueUserId: true keeps new ones out.',
  })
}

/** An array of ids belongs to nobody, and a missing id to nobody either. */
function toPipeline(userIdField: string): Document[] {
  const value = `$${userIdField}`
  const isObjectId = { $eq: [{ $type: value }, 'objectId'] }
  return [
    { $match: { [userIdField]: { $exists: true, $ne: null, $not: { $type: 'array' } } } },
    { $group: { _id: { $cond: [isObjectId, { $toString: value }, value] }, documents: { $sum: 1 } } },
    { $match: { documents: { $gt: 1 } } },
    { $limit: MAX_NAMED + 1 },
    { $project: { _id: 1 } },
  ]
}

/** By its name: a class may be another copy's. */
function isTimeout(error: unknown): boolean {
  return (error as { readonly name?: unknown } | undefined)?.name === 'DeadlineError'
}
