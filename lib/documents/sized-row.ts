import type { Document } from 'mongodb'

/** A document that was found. */
export interface FoundDocument {
  /** `undefined` where it is over the limit. */
  readonly document: Document | undefined
  /** The same document with the BSON types of its numbers, if the read asked for them. */
  readonly exact?: Document | undefined
  /** Its BSON size in bytes, after the projection, where it is over the limit. */
  readonly excessiveSize: number | undefined
  /** The document's `_id`, also where the projection leaves it out; `undefined` where the document is over the limit. */
  readonly documentId: unknown
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

/** Converts a row to the document that was found. `exactRow` is the same row with the BSON types of its numbers. */
export function toFound(row: SizedRow, exactRow?: SizedRow): FoundDocument {
  const document = documentIn(row)
  return {
    document,
    exact: exactRow && documentIn(exactRow),
    excessiveSize: document ? undefined : Number((row.doc as readonly unknown[])[0]),
    documentId: document?.['_id'],
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
