/** What a document takes in BSON before its fields: its length and its end. */
const DOCUMENT_BYTES = 5
/** A type, and the end of the name. */
const FIELD_BYTES = 2
/** A length and an end. */
const TEXT_BYTES = 5
/** The longest number that JSON knows. */
const NUMBER_BYTES = 8

/**
 * The most bytes that a value in Extended JSON takes in BSON, without decoding it. For plain fields it is nearly the exact
 * size; for values like `{ $oid }` it is more, since they are counted as documents.
 */
export function maxBsonBytes(json: unknown): number {
  switch (typeof json) {
    case 'string':
      return TEXT_BYTES + Buffer.byteLength(json)
    case 'number':
      return NUMBER_BYTES
    case 'object':
      return json === null ? 0 : ofDocument(json)
    default:
      return 1
  }
}

/** A list is a document whose names are its indexes. */
function ofDocument(json: object): number {
  let bytes = DOCUMENT_BYTES
  for (const [name, value] of Object.entries(json) as [string, unknown][]) {
    bytes += FIELD_BYTES + Buffer.byteLength(name) + maxBsonBytes(value)
  }
  return bytes
}
