import type { BSONSerializeOptions, Collection, Document } from 'mongodb'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { OpenCollection } from '../mongo/team-database.js'
import { toFound, toSizedRow, toTeamsProjection } from './sized-row.js'
import type { FoundDocument, SizedRow } from './sized-row.js'
import type { UserIdIndexName } from './user-id-index.js'

/** Decodes a document twice: once with the BSON types of its numbers, and once without. */
export type ExactDecoder = (
  bytes: Uint8Array,
  options: { readonly enableUtf8Validation: boolean },
) => { readonly plain: Document; readonly exact: Document }

/** What is read of a document. */
export interface DocumentRead {
  /** The team's projection, or all fields. */
  readonly projection: Document | undefined
  /** A document that is larger after the projection is measured, but never sent. */
  readonly maxDocumentBytes: number
  /** Decodes the bytes of the driver if the BSON types of numbers are needed; otherwise the driver decodes. */
  readonly decodeExactly?: ExactDecoder | undefined
}

/** The same, prepared once for any number of queries. */
export interface PreparedRead {
  /** Stages; none for all fields. */
  readonly teamsProjection: readonly Document[]
  readonly row: Document
  readonly decodeExactly: ExactDecoder | undefined
}

/** Which documents are a user's, and what is read of them. */
export interface DocumentQuery {
  readonly userIdField: string
  /** The forms that the id may have in the field. */
  readonly values: readonly unknown[]
  readonly read: PreparedRead
  readonly index: UserIdIndexName
}

/** The time limit of a query, for the server and for this process. */
export interface QueryLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Prepares what is read. */
export function prepareRead({ projection, maxDocumentBytes, decodeExactly }: DocumentRead): PreparedRead {
  return {
    teamsProjection: toTeamsProjection(projection),
    row: toSizedRow(maxDocumentBytes),
    decodeExactly,
  }
}

/** Reads a user's document from the primary, in one query. */
export async function findDocument(
  { collection }: Pick<OpenCollection, 'collection'>,
  query: DocumentQuery,
  limits: QueryLimits,
): Promise<FoundDocument | undefined> {
  const row = await findRow(collection, query, limits)
  if (!row) return undefined
  const { decodeExactly } = query.read
  if (!decodeExactly) return toFound(row as SizedRow)
  // If the driver decoded the document, it would obey this option of the collection too.
  const { bsonOptions } = collection as { readonly bsonOptions?: BSONSerializeOptions }
  const enableUtf8Validation = bsonOptions?.enableUtf8Validation ?? true
  const { plain, exact } = decodeExactly(row as Uint8Array, { enableUtf8Validation })
  const plainRow = rowIn(plain)
  return plainRow && toFound(plainRow, rowIn(exact))
}

/**
 * The row of a raw answer. With `raw`, driver 5 gives the whole reply of the server as the only row of an aggregation, even
 * if the reply is an error. Later drivers give the row.
 */
function rowIn(decoded: Document): SizedRow | undefined {
  if ('doc' in decoded) return decoded as SizedRow
  const { ok, errmsg, code, cursor } = decoded as RawReply
  if (Number(ok) === 1 && cursor) return cursor.firstBatch[0]
  throw Object.assign(new Error(errmsg ?? 'The server gave an answer without a cursor'), { code })
}

interface RawReply {
  readonly ok?: unknown
  readonly errmsg?: string
  readonly code?: number
  readonly cursor?: { readonly firstBatch: readonly SizedRow[] }
}

/** Ids are compared exactly, whatever the collection's own collation. */
const COLLATION = { locale: 'simple' } as const

/**
 * A `find`, for it costs the server less, unless only stages can do it: the team's projection before the size is measured,
 * or the order that the index would give. Without the index in the natural order, said outright.
 */
async function findRow(
  collection: Collection,
  query: DocumentQuery,
  { timeoutMs, signal }: QueryLimits,
): Promise<Document | null | undefined> {
  const { read, index } = query
  const options = {
    ...PLAIN_BSON,
    raw: read.decodeExactly !== undefined,
    hint: index ?? { $natural: 1 },
    collation: COLLATION,
    readPreference: 'primary',
    maxTimeMS: timeoutMs,
    signal,
  } as const
  if (index !== undefined && read.teamsProjection.length === 0)
    return collection.findOne(toFilter(query), { ...options, projection: read.row })
  const rows = await collection.aggregate(toPipeline(query), options).toArray()
  return rows[0]
}

/**
 * With the index, the first row in its order is the user's. A `$sort` is not used: one array in the collection would make
 * MongoDB sort in memory, which is not stable. Without the index MongoDB reads every document in natural order, and takes
 * the first document of each value.
 */
function toPipeline(query: DocumentQuery): Document[] {
  const { teamsProjection, row } = query.read
  const ordered = query.index === undefined ? toNaturalOrder(query.userIdField) : []
  return [{ $match: toFilter(query) }, ...ordered, { $limit: 1 }, ...teamsProjection, { $project: row }]
}

function toNaturalOrder(userIdField: string): Document[] {
  return [
    { $group: { _id: `$${userIdField}`, document: { $first: '$$ROOT' } } },
    { $sort: { _id: 1 } },
    { $replaceRoot: { newRoot: '$document' } },
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
