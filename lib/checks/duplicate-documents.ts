import type { Collection, Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { WarningEvent } from '../events.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'

/** The most user ids that the warning names. */
const MAX_NAMED = 5
/** The codes of a server that gives up because the collection is too large for the time or for its memory. */
const GAVE_UP = [SERVER_ERRORS.maxTimeMSExpired, SERVER_ERRORS.memoryLimitExceeded]

/**
 * Checks whether several documents hold one user id, as a string or as an ObjectId. A load reads only one document, so it
 * cannot notice this. Gives no warning if a large collection cannot be searched in time: the warning only helps to tidy up.
 */
export async function checkDuplicateDocuments(
  collection: Collection,
  { userIdField, timeoutMs }: { readonly userIdField: string; readonly timeoutMs: number },
): Promise<WarningEvent | undefined> {
  const ids = await findDuplicateIds(collection, userIdField, timeoutMs)
  if (ids.length === 0) return undefined
  const named = ids.slice(0, MAX_NAMED).map(id => JSON.stringify(id))
  const others = ids.length > MAX_NAMED ? ' and others' : ''
  return {
    code: 'duplicate_documents',
    message:
      `Several documents of ${collection.namespace} hold the same user id in "${userIdField}": ${named.join(', ')}${others}. ` +
      'The document that was inserted first is used, and a string goes before an ObjectId. Remove the other documents. The ' +
      'option uniqueUserId: true prevents new duplicates.',
  }
}

/** One id more than the warning names, or none if the server gives up. */
async function findDuplicateIds(
  collection: Collection,
  userIdField: string,
  timeoutMs: number,
): Promise<unknown[]> {
  const pipeline = toPipeline(userIdField)
  try {
    const found = await withDeadline(timeoutMs, signal =>
      collection
        .aggregate(pipeline, {
          ...PLAIN_BSON,
          collation: { locale: 'simple' },
          readPreference: 'primary',
          maxTimeMS: timeoutMs,
          signal,
        })
        .toArray(),
    )
    return found.map(({ _id }) => _id as unknown)
  } catch (error) {
    if (isTimeout(error) || hasCode(error, ...GAVE_UP)) return []
    throw error
  }
}

/** A document without an id, or with an array of ids, belongs to no user, so it is not a duplicate. */
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

/** Recognised by its name, because the class may come from another installation of this package. */
function isTimeout(error: unknown): boolean {
  return (error as { readonly name?: unknown } | undefined)?.name === 'DeadlineError'
}
