import type { AggregateOptions, Collection, Document } from 'mongodb'
import { EXACT_BSON, PLAIN_BSON } from '../mongo/team-database.js'
import { promoteValues } from './promote-values.js'
import type { UserIdIndexName } from './user-id-index.js'

/** What is read of a document. */
export interface DocumentRead {
  /** The team's projection, or all fields. */
  readonly projection: Document | undefined
  /** A document that is larger after the projection is measured, but never sent. */
  readonly maxDocumentBytes: number
  /** Whether numbers come with their BSON types, for {@link promoteValues} to take them away. */
  readonly exactTypes?: boolean | undefined
}

/** The same, prepared once for any number of queries. */
export interface PreparedRead {
  readonly row: readonly Document[]
  readonly options: AggregateOptions
}

/** Which documents are a user's, and what is read of them. */
export interface DocumentQuery {
  readonly userIdField: string
  /** The forms that the id may have in the field. */
  readonly values: readonly unknown[]
  readonly read: PreparedRead
  readonly index: UserIdIndexName
}

/** What one query finds for a user. */
export interface FoundDocument {
  /** BSON size in bytes, after the projection. */
  readonly size: number
  /** Absent where it is over the limit. */
  readonly document: Document | undefined
  /** The document's `_id`, also where the projection leaves it out. */
  readonly documentId: unknown
  /** Whether others hold the same id. */
  readonly hasDuplicates: boolean
}

/** A document with its size, as `toSizedRow` makes it. */
export interface Row {
  readonly id: unknown
  readonly size: number
  readonly doc?: Document
}

/** Prepares what is read: ids are compared exactly, whatever the collection's own collation. */
export function prepareRead(read: DocumentRead): PreparedRead {
  const bson = read.exactTypes ? EXACT_BSON : PLAIN_BSON
  return {
    row: toSizedRow(read),
    options: { ...bson, collation: { locale: 'simple' }, readPreference: 'primary' },
  }
}

/** Reads a user's document from the primary, in one query (App Services page, 1.2). */
export async function findDocument(
  collection: Collection,
  query: DocumentQuery,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<FoundDocument | undefined> {
  const cursor = collection.aggregate<Row>(toPipeline(query), {
    ...toReadOptions(query),
    maxTimeMS: limits.timeoutMs,
    signal: limits.signal,
  })
  return toFound(await cursor.toArray())
}

/** What rows of {@link toSizedRow} say. */
export function toFound([first, ...others]: readonly Row[]): FoundDocument | undefined {
  if (!first) return undefined
  return {
    // An Int32 where types are kept.
    size: first.size.valueOf(),
    document: first.doc,
    documentId: promoteValues(first.id),
    hasDuplicates: others.length > 0,
  }
}

/** How the query is to be run; without the index in the natural order, said outright. */
export function toReadOptions({ read, index }: Pick<DocumentQuery, 'read' | 'index'>): AggregateOptions {
  return { ...read.options, hint: index ?? { $natural: 1 } }
}

/**
 * With the index: two rows in its order, the second only to know that there is one. No `$sort`: one array
 * in the collection would turn it into a sort in memory, which is not stable.
 * Without it: the first two of each value in natural order, which has to look at every document.
 */
export function toPipeline(query: DocumentQuery): Document[] {
  const ordered = query.index === undefined ? toNaturalOrder(query.userIdField) : []
  return [{ $match: toFilter(query) }, ...ordered, { $limit: 2 }, ...query.read.row]
}

function toNaturalOrder(userIdField: string): Document[] {
  return [
    { $group: { _id: `$${userIdField}`, documents: { $push: '$$ROOT' } } },
    { $sort: { _id: 1 } },
    { $project: { documents: { $slice: ['$documents', 2] } } },
    { $unwind: '$documents' },
    { $replaceRoot: { newRoot: '$documents' } },
  ]
}

/** Only scalars: an array that contains the id matches `$in`, but belongs to nobody. */
export function toFilter({ userIdField, values }: Pick<DocumentQuery, 'userIdField' | 'values'>): Document {
  const notArray = { $not: { $type: 'array' } }
  const parents = parentPaths(userIdField).map(path => [path, notArray] as const)
  return { [userIdField]: { $in: values, ...notArray }, ...Object.fromEntries(parents) }
}

/** `a` and `a.b` of `a.b.c`. */
function parentPaths(path: string): string[] {
  const steps = path.split('.')
  return steps.slice(1).map((_step, index) => steps.slice(0, index + 1).join('.'))
}

/**
 * The limit is a projection, not part of the filter: there an oversized document would look like none, or
 * its duplicate would be returned in its place.
 */
export function toSizedRow({
  projection,
  maxDocumentBytes,
}: Partial<Pick<DocumentRead, 'projection'>> & Pick<DocumentRead, 'maxDocumentBytes'>): Document[] {
  const size = { $bsonSize: '$$ROOT' }
  const fits = { $lte: [size, maxDocumentBytes] }
  return [
    ...toTeamsProjection(projection),
    { $project: { _id: 0, id: '$_id', size, doc: { $cond: [fits, '$$ROOT', '$$REMOVE'] } } },
  ]
}

/** `_id` is kept for the cache's sake: to leave out nothing but `_id` is to leave out nothing. */
function toTeamsProjection(projection: Document = {}): Document[] {
  const { _id, ...others } = projection
  return Object.keys(others).length > 0 || _id ? [{ $project: { ...projection, _id: 1 } }] : []
}
