import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { Events } from '../events.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'

/** The most user ids that a warning names. */
const MAX_NAMED = 5
/** Codes of a server that gives up, because the collection is too large for the time or for its memory. */
const GAVE_UP = [SERVER_ERRORS.maxTimeMSExpired, SERVER_ERRORS.memoryLimitExceeded]

/** Which field is searched for duplicates, and for how long. */
export interface DuplicateSearch {
  readonly userIdField: string
  /** Milliseconds that the search may take. */
  readonly loadTimeoutMs: number
}

/**
 * Warns if several documents hold one user id, as a text or as an ObjectId. If a large collection cannot be searched in
 * time, nothing fails, because the warning only helps to tidy up.
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
      'The document that was inserted first is used, and a text goes before an ObjectId. Remove the other documents. The ' +
      'option uniqueUserId: true prevents new duplicates.',
  })
}

/** Documents without an id, or with an array of ids, belong to no user, so they are no duplicates. */
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

/** Recognised by its name, because the class may come from another copy of this package. */
function isTimeout(error: unknown): boolean {
  return (error as { readonly name?: unknown } | undefined)?.name === 'DeadlineError'
}
