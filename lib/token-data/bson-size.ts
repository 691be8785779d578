/** Bytes of a document without its fields: its length and its end. */
const DOCUMENT_BYTES = 5
/** Bytes of a field without its name and value: its type and the end of the name. */
const FIELD_BYTES = 2
/** Bytes of a text without its characters: its length and its end. */
const TEXT_BYTES = 5
/** Bytes of the longest number that JSON can write. */
const NUMBER_BYTES = 8

/**
 * The most bytes that a value in Extended JSON can take in BSON, computed without decoding it. For plain fields this is
 * nearly the exact size. For values like `{ $oid }` it is more, because they are counted as documents.
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
