import type { Document } from 'mongodb'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { Check } from './check.js'

/** The most user ids that the warning names. */
const MAX_NAMED = 5

/**
 * Checks whether several documents hold one user id, as a string or as an ObjectId. A load reads only one document, so it
 * cannot notice this.
 */
export const checkDuplicateDocuments: Check = async (
  { collection, userIdField },
  { timeoutMs: maxTimeMS, signal },
) => {
  const options = {
    ...PLAIN_BSON,
    collation: { locale: 'simple' },
    readPreference: 'primary',
    maxTimeMS,
    signal,
  } as const
  const found = await collection.aggregate(toPipeline(userIdField), options).toArray()
  if (found.length === 0) return []
  const named = found.slice(0, MAX_NAMED).map(({ _id }) => JSON.stringify(_id))
  const others = found.length > MAX_NAMED ? ' and others' : ''
  const message =
    `Several documents of ${collection.namespace} hold the same user id in "${userIdField}": ${named.join(', ')}${others}. ` +
    'The document that was inserted first is used, and a string goes before an ObjectId. Remove the other documents. The ' +
    'option uniqueUserId: true prevents new duplicates.'
  return [{ code: 'duplicate_documents', message }]
}

/** Finds one id more than the warning names. A document without an id, or with an array of ids, belongs to no user. */
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
