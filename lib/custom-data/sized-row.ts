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
export interface FoundForUser extends FoundDocument {
  /** Whether others hold the same id. */
  readonly hasDuplicates: boolean
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

/** What one or two such rows say; of two that are large, only the first may have come. */
export function toFoundForUser({ rows, hasMore }: FirstBatch<SizedRow>): FoundForUser | undefined {
  const [first, second] = rows
  return first && { ...toFound(first), hasDuplicates: second !== undefined || hasMore }
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
