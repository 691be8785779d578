import type { Document } from 'mongodb'
import type { FirstBatch } from '../mongo/first-batch.js'
import { promoteValues } from './promote-values.js'

/** A document that was found. */
export interface FoundDocument {
  /** `undefined` where it is over the limit. */
  readonly document: Document | undefined
  /** Its BSON size in bytes, after the projection, where it is over the limit. */
  readonly excessiveSize: number | undefined
  /** The document's `_id`, also where the projection leaves it out; `undefined` where the document is over the limit. */
  readonly documentId: unknown
}

/** What one query found for a user. */
export interface FoundRow {
  /** The BSON that it is decoded from; `undefined` where the driver has done that already. */
  readonly bytes: Uint8Array | undefined
  /** Whether others hold the same id. */
  readonly hasDuplicates: boolean
  readonly decode: () => FoundDocument
}

/** A document, or the size of one that is over the limit, as {@link toSizedRow} makes it. */
export interface SizedRow {
  /** The size is in a list, since no document is one. */
  readonly doc: Document | readonly unknown[]
}

/**
 * The projection that measures a document and gives its size instead where it is over the limit. Not a part of the filter:
 * there an oversized document would look like none, or its duplicate would be returned in its place.
 */
export function toSizedRow(maxDocumentBytes: number): Document {
  const size = { $bsonSize: '$$ROOT' }
  return { _id: 0, doc: { $cond: [{ $lte: [size, maxDocumentBytes] }, '$$ROOT', [size]] } }
}

/** What one or two such rows say, decoded by the driver or not; of two that are large, only the first may have come. */
export function toFoundRow(
  { rows, hasMore }: FirstBatch<SizedRow | Uint8Array>,
  decode: (bytes: Uint8Array) => unknown,
): FoundRow | undefined {
  const [first, second] = rows
  if (!first) return undefined
  const bytes = first instanceof Uint8Array ? first : undefined
  return {
    bytes,
    hasDuplicates: second !== undefined || hasMore,
    decode: () => toFound(bytes ? (decode(bytes) as SizedRow) : (first as SizedRow)),
  }
}

/** What such a row says. */
export function toFound(row: SizedRow): FoundDocument {
  const document = documentIn(row)
  return {
    document,
    // An `Int32` where types are kept.
    excessiveSize: document ? undefined : Number((row.doc as readonly unknown[])[0]),
    documentId: promoteValues(document?.['_id']),
  }
}

/** The document of a row, unless it is over the limit. */
function documentIn({ doc }: SizedRow): Document | undefined {
  return Array.isArray(doc) ? undefined : doc
}

/** `_id` is kept for the cache's sake: to leave out nothing but `_id` is to leave out nothing. */
export function toTeamsProjection(projection: Document = {}): Document[] {
  const { _id, ...others } = projection
  return Object.keys(others).length > 0 || _id ? [{ $project: { ...projection, _id: 1 } }] : []
}
