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
  const [found] = await collection.aggregate<Found>(toPipeline(userIdField), options).toArray()
  const [total] = found?.total ?? []
  if (!found || !total) return []
  const named = found.named.map(({ _id }) => JSON.stringify(_id))
  const others = total.ids > MAX_NAMED ? ' and others' : ''
  const have = total.ids === 1 ? '1 user id has' : `${total.ids.toLocaleString('en-US')} user ids have`
  const message =
    `${have} several documents in ${collection.namespace}, ${total.documents.toLocaleString('en-US')} documents in all. The ` +
    `values of "${userIdField}": ${named.join(', ')}${others}. The document that was inserted first is used, and a string ` +
    'goes before an ObjectId. Remove the other documents. The option uniqueUserId: true prevents new duplicates. To find ' +
    `them: ${toCommand(collection.collectionName, userIdField)}`
  return [{ code: 'duplicate_documents', message }]
}

/** The answer of the server. */
interface Found {
  /** The first user ids. */
  readonly named: readonly { readonly _id: unknown }[]
  /** One item if any user id has several documents, otherwise none. */
  readonly total: readonly { readonly ids: number; readonly documents: number }[]
}

function toPipeline(userIdField: string): Document[] {
  return [
    ...groupById(userIdField, { documents: { $sum: 1 } }),
    { $match: { documents: { $gt: 1 } } },
    {
      $facet: {
        named: [{ $limit: MAX_NAMED }, { $project: { _id: 1 } }],
        total: [{ $group: { _id: null, ids: { $sum: 1 }, documents: { $sum: '$documents' } } }],
      },
    },
  ]
}

/** The query of a person names the documents, because they are to be looked at. */
function toCommand(collectionName: string, userIdField: string): string {
  const pipeline = [
    ...groupById(userIdField, { documents: { $push: '$_id' } }),
    { $match: { 'documents.1': { $exists: true } } },
  ]
  const options = { collation: { locale: 'simple' }, allowDiskUse: true }
  const [name, stages, rest] = [collectionName, pipeline, options].map(value => JSON.stringify(value))
  return `db.getCollection(${name}).aggregate(${stages}, ${rest})`
}

/** A document without an id, or with an array of ids, belongs to no user. */
function groupById(userIdField: string, accumulators: Document): Document[] {
  const value = `$${userIdField}`
  const isObjectId = { $eq: [{ $type: value }, 'objectId'] }
  return [
    { $match: { [userIdField]: { $exists: true, $ne: null, $not: { $type: 'array' } } } },
    { $group: { _id: { $cond: [isObjectId, { $toString: value }, value] }, ...accumulators } },
  ]
}
