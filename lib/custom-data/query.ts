import type { BSONSerializeOptions, Document } from 'mongodb'
import { readFirstBatch } from '../mongo/first-batch.js'
import { EXACT_BSON, PLAIN_BSON } from '../mongo/team-database.js'
import type { OpenCollection } from '../mongo/team-database.js'
import { toFoundRow, toSizedRow, toTeamsProjection } from './sized-row.js'
import type { FoundRow, SizedRow } from './sized-row.js'
import type { UserIdIndexName } from './user-id-index.js'

/** What is read of a document. */
export interface DocumentRead {
  /** The team's projection, or all fields. */
  readonly projection: Document | undefined
  /** A document that is larger after the projection is measured, but never sent. */
  readonly maxDocumentBytes: number
  /** Whether numbers come with their BSON types, for `promoteValues()` to take them away. */
  readonly exactTypes?: boolean | undefined
}

/** The same, prepared once for any number of queries. */
export interface PreparedRead {
  /** Stages; none for all fields. */
  readonly teamsProjection: readonly Document[]
  readonly row: Document
  /** How it is decoded. */
  readonly bson: BSONSerializeOptions
}

/** Which documents are a user's, and what is read of them. */
export interface DocumentQuery {
  readonly userIdField: string
  /** The forms that the id may have in the field. */
  readonly values: readonly unknown[]
  readonly read: PreparedRead
  readonly index: UserIdIndexName
}

/** Prepares what is read. */
export function prepareRead({ projection, maxDocumentBytes, exactTypes }: DocumentRead): PreparedRead {
  return {
    teamsProjection: toTeamsProjection(projection),
    row: toSizedRow(maxDocumentBytes),
    bson: exactTypes ? EXACT_BSON : PLAIN_BSON,
  }
}

/** Reads a user's document from the primary, in one query (App Services page, 1.2). */
export async function findDocument(
  { db, collection, choices, decode, sessions }: OpenCollection,
  query: DocumentQuery,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<FoundRow | undefined> {
  const { readConcern, enableUtf8Validation, ignoreUndefined, retryReads } = choices
  const command = toCommand(collection.collectionName, query)
  command['maxTimeMS'] = limits.timeoutMs
  if (readConcern) command['readConcern'] = readConcern
  const { signal } = limits
  const options = decode
    ? { fieldsAsRaw: ROWS_AS_BYTES, enableUtf8Validation: false, ignoreUndefined, signal, session: undefined }
    : { ...query.read.bson, enableUtf8Validation, ignoreUndefined, signal, session: undefined }
  // Without a read preference a command goes to the primary, whatever the team has chosen for its client.
  const batch = await readFirstBatch<SizedRow | Uint8Array>({ db, retryReads, sessions }, command, options)
  return toFoundRow(batch, bytes => decode?.(bytes, { ...query.read.bson, enableUtf8Validation }))
}

/**
 * As the driver has it: what is in this array comes as it is. What is around it is the server's, and not looked into.
 * Not `raw`: that would keep from the driver what an error says of the server, by which it knows its primary.
 */
const ROWS_AS_BYTES = { firstBatch: true }

/** Ids are compared exactly, whatever the collection's own collation. */
const COLLATION = { locale: 'simple' } as const

/**
 * A `find`, for it costs the server less, unless only stages can do it: the team's projection before the size is measured,
 * or the order that the index would give. Without the index in the natural order, said outright.
 */
export function toCommand(collection: string, query: DocumentQuery): Document {
  const { read, index } = query
  const hint = index ?? { $natural: 1 }
  if (index === undefined || read.teamsProjection.length > 0)
    return { aggregate: collection, pipeline: toPipeline(query), cursor: {}, hint, collation: COLLATION }
  return {
    find: collection,
    filter: toFilter(query),
    projection: read.row,
    limit: 2,
    hint,
    collation: COLLATION,
  }
}

/**
 * With the index: two rows in its order, the second only to know that there is one. No `$sort`: one array
 * in the collection would turn it into a sort in memory, which is not stable.
 * Without it: the first two of each value in natural order, which has to look at every document.
 */
function toPipeline(query: DocumentQuery): Document[] {
  const { teamsProjection, row } = query.read
  const ordered = query.index === undefined ? toNaturalOrder(query.userIdField) : []
  return [{ $match: toFilter(query) }, ...ordered, { $limit: 2 }, ...teamsProjection, { $project: row }]
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

const ARRAY = { $type: 'array' } as const

/** Only scalars: an array that contains the id matches `$in`, but belongs to nobody. */
export function toFilter({ userIdField, values }: Pick<DocumentQuery, 'userIdField' | 'values'>): Document {
  const filter: Document = { [userIdField]: { $in: values, $not: ARRAY } }
  if (userIdField.includes('.'))
    for (const parent of parentPaths(userIdField)) filter[parent] = { $not: ARRAY }
  return filter
}

/** `a` and `a.b` of `a.b.c`. */
function parentPaths(path: string): string[] {
  const steps = path.split('.')
  return steps.slice(1).map((_step, index) => steps.slice(0, index + 1).join('.'))
}
