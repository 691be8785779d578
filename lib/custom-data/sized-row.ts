import type { Document } from 'mongodb'
import { promoteValues } from './promote-values.js'

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

/** A document with its size, as {@link toSizedRow} makes it. */
export interface SizedRow {
  /** An `Int32` where types are kept. */
  readonly size: { valueOf(): number }
  readonly doc?: Document
}

/**
 * The projection that measures a document and leaves it out where it is over the limit. Not a part of the filter:
 * there an oversized document would look like none, or its duplicate would be returned in its place.
 */
export function toSizedRow(maxDocumentBytes: number): Document {
  const size = { $bsonSize: '$$ROOT' }
  return { _id: 0, size, doc: { $cond: [{ $lte: [size, maxDocumentBytes] }, '$$ROOT', '$$REMOVE'] } }
}

/** What one or two such rows say; of two that are large, only the first may have come. */
export function toFound([first, second]: readonly SizedRow[], hasMore = false): FoundDocument | undefined {
  return (
    first && {
      size: first.size.valueOf(),
      document: first.doc,
      documentId: promoteValues(first.doc?.['_id']),
      hasDuplicates: second !== undefined || hasMore,
    }
  )
}

/** `_id` is kept for the cache's sake: to leave out nothing but `_id` is to leave out nothing. */
export function toTeamsProjection(projection: Document = {}): Document[] {
  const { _id, ...others } = projection
  return Object.keys(others).length > 0 || _id ? [{ $project: { ...projection, _id: 1 } }] : []
}
