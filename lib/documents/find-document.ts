import type { BSONSerializeOptions, Collection, Document } from 'mongodb'
import { keepsRegExp, PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamBson } from '../mongo/team-bson.js'

/** Decodes a document twice: once with the BSON types of its numbers, and once without. */
export type ExactDecoder = (
  bytes: Uint8Array,
  options: { readonly enableUtf8Validation: boolean; readonly bsonRegExp: boolean },
) => { readonly plain: Document; readonly exact: Document }

/** Like {@link PLAIN_BSON}, but keeps the BSON types that JavaScript does not distinguish, such as those of numbers. */
export const EXACT_BSON = {
  ...PLAIN_BSON,
  promoteLongs: false,
  promoteValues: false,
  bsonRegExp: true,
} as const

/** Creates the decoder over the BSON library of the team's driver. */
export function createExactDecoder({ deserialize }: TeamBson): ExactDecoder {
  return (bytes, { enableUtf8Validation, bsonRegExp }) => {
    const validation = { utf8: enableUtf8Validation }
    return {
      plain: deserialize(bytes, { ...PLAIN_BSON, bsonRegExp, validation }),
      exact: deserialize(bytes, { ...EXACT_BSON, validation }),
    }
  }
}

/** Which part of a document is read, and in which form. */
export interface DocumentRead {
  /** The team's projection, or `undefined` for all fields. */
  readonly projection: Document | undefined
  /** A document that is larger after the projection is measured, but never sent. */
  readonly maxDocumentBytes: number
  /** Decodes the bytes of the driver if the BSON types of numbers are needed; otherwise the driver decodes. */
  readonly decodeExactly?: ExactDecoder | undefined
}

/** A {@link DocumentRead} that was prepared once for any number of queries. */
export type PreparedRead = ReturnType<typeof prepareRead>

/** Which documents belong to a user, and which part of them is read. */
export interface DocumentQuery {
  readonly userIdField: string
  /** The values that the field may have for this user. */
  readonly values: readonly unknown[]
  readonly read: PreparedRead
  /** The name of the index on the field, or `undefined` if there is none. */
  readonly index: string | undefined
}

/** The time limit of a query, for the server and for this process. */
export interface QueryLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** A document that was found. */
export interface FoundDocument {
  /** `undefined` if the document is over the limit. */
  readonly document: Document | undefined
  /** The same document with the BSON types of its numbers, if the read asked for them. */
  readonly exact: Document | undefined
  /** Its BSON size in bytes, after the projection. */
  readonly bytes: number
  /** The `_id`, even if the projection excludes it; `undefined` if the document is over the limit. */
  readonly documentId: unknown
}

/** The answer of a query that ends with {@link toSizedRow}. */
export interface SizedRow {
  readonly bytes: number
  /** `null` if the document is over the limit. */
  readonly doc: Document | null
}

/** Prepares a read for any number of queries. */
export function prepareRead({ projection, maxDocumentBytes, decodeExactly }: DocumentRead) {
  return {
    stages: toTeamsProjection(projection),
    row: toSizedRow(maxDocumentBytes),
    decodeExactly,
  }
}

/** Reads a user's document from the primary, in one query. */
export async function findDocument(
  collection: Collection,
  query: DocumentQuery,
  limits: QueryLimits,
): Promise<FoundDocument | undefined> {
  const row = await findRow(collection, query, limits)
  if (!row) return undefined
  const { decodeExactly } = query.read
  if (!decodeExactly) return toFound(row as SizedRow)
  // If the driver decoded the document, it would obey these options of the collection too.
  const { bsonOptions } = collection as { readonly bsonOptions?: BSONSerializeOptions }
  const enableUtf8Validation = bsonOptions?.enableUtf8Validation ?? true
  const bsonRegExp = keepsRegExp(collection)
  const { plain, exact } = decodeExactly(row as Uint8Array, { enableUtf8Validation, bsonRegExp })
  return toFound(plain as SizedRow, exact as SizedRow)
}

/** The options of all queries. Each option of a single query has a place here, because V8 is slow to add members to a copy. */
const OPTIONS = {
  ...PLAIN_BSON,
  raw: false as boolean,
  bsonRegExp: false as boolean,
  // Ids are compared exactly, whatever the collation of the collection.
  collation: { locale: 'simple' },
  readPreference: 'primary',
  hint: undefined,
  maxTimeMS: undefined,
  signal: undefined,
} as const

/**
 * `find` costs the server less than `aggregate`. Only stages can apply the team's projection before the size is measured, or
 * find the first inserted document without the index.
 */
async function findRow(
  collection: Collection,
  query: DocumentQuery,
  { timeoutMs, signal }: QueryLimits,
): Promise<Document | null | undefined> {
  const { read, index } = query
  const raw = read.decodeExactly !== undefined
  const bsonRegExp = keepsRegExp(collection)
  const hint = index ?? { $natural: 1 }
  const options = { ...OPTIONS, raw, bsonRegExp, hint, maxTimeMS: timeoutMs, signal }
  if (index !== undefined && read.stages.length === 0)
    return collection.findOne(toFilter(query), { ...options, projection: read.row })
  const rows = await collection.aggregate(toPipeline(query), { ...options, ...ONLY_ROWS_RAW }).toArray()
  return rows[0]
}

/**
 * With `raw`, driver 5 leaves the whole answer to an aggregation as bytes, also if it is an error. Then the driver neither
 * repeats the query nor follows a failover. This option, which the driver itself sets for `find`, says which list has rows.
 */
const ONLY_ROWS_RAW = { documentsReturnedIn: 'firstBatch' } as const

/**
 * With the index, the user's document is the first in the order of the index. A `$sort` is not used: one array in the
 * collection would make MongoDB sort in memory, which is not stable. Without the index MongoDB reads every document in
 * natural order, and takes the first document of each value.
 */
function toPipeline(query: DocumentQuery): Document[] {
  const { stages, row } = query.read
  const ordered = query.index === undefined ? toNaturalOrder(query.userIdField) : []
  return [{ $match: toFilter(query) }, ...ordered, { $limit: 1 }, ...stages, { $project: row }]
}

function toNaturalOrder(userIdField: string): Document[] {
  return [
    { $group: { _id: `$${userIdField}`, document: { $first: '$$ROOT' } } },
    { $sort: { _id: 1 } },
    { $replaceRoot: { newRoot: '$document' } },
  ]
}

/**
 * The type of the first user id that is a text or an ObjectId, by MongoDB's name. Texts come before ObjectIds, so `objectId`
 * means that no document has a text. `array` stands for a list of such ids. `undefined` if there is no such id.
 */
export async function findFirstIdType(
  collection: Collection,
  { userIdField, index }: Pick<DocumentQuery, 'userIdField' | 'index'>,
  { timeoutMs, signal }: QueryLimits,
): Promise<string | undefined> {
  const pipeline = [
    { $match: { [userIdField]: { $type: ['string', 'objectId'] } } },
    // The index has this order already. Shards are merged in no order without it.
    { $sort: { [userIdField]: 1 } },
    { $limit: 1 },
    { $project: { _id: 0, type: { $type: `$${userIdField}` } } },
  ]
  const hint = index ?? { $natural: 1 }
  const options = { ...OPTIONS, hint, maxTimeMS: timeoutMs, signal }
  const [first] = await collection.aggregate<{ readonly type: string }>(pipeline, options).toArray()
  return first?.type
}

const ARRAY = { $type: 'array' } as const

/** Matches only single values. An array that contains the id would match `$in`, but belongs to no user. */
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

/**
 * The projection that measures a document, and leaves it out if it is over the limit. The limit is not a part of the filter:
 * there an oversized document would look like none, or its duplicate would be returned in its place.
 */
export function toSizedRow(maxDocumentBytes: number): Document {
  const size = { $bsonSize: '$$ROOT' }
  return { _id: 0, bytes: size, doc: { $cond: [{ $lte: [size, maxDocumentBytes] }, '$$ROOT', null] } }
}

/** Converts a row to the document that was found. `exactRow` is the same row with the BSON types of its numbers. */
export function toFound({ doc, bytes }: SizedRow, exactRow?: SizedRow): FoundDocument {
  const document = doc ?? undefined
  return { document, exact: exactRow?.doc ?? undefined, bytes, documentId: document?.['_id'] }
}

/**
 * The stage of the team's projection, if it leaves out anything. It always keeps `_id`, by which change events name the
 * document; the loader removes it later.
 */
export function toTeamsProjection(projection: Document = {}): Document[] {
  const { _id, ...others } = projection
  return Object.keys(others).length > 0 || _id ? [{ $project: { ...projection, _id: 1 } }] : []
}
