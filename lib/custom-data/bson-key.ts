import { isPlainObject } from './plain-object.js'

/**
 * A text for a BSON value: values that MongoDB compares as equal have the same one. Not the other way round: a few that
 * differ share one, so it serves to find what may be concerned, never to find whose something is.
 */
export function toBsonKey(value: unknown): string {
  if (value === undefined || value === null) return 'null'
  if (typeof value === 'object') return toObjectKey(value)
  // 1, 1n, 1.0 and a Decimal128 of 1.00 are equal.
  if (typeof value === 'number' || typeof value === 'bigint') return toNumberKey(value)
  if (typeof value === 'string') return `string:${value}`
  return typeof value === 'boolean' ? String(value) : typeof value
}

function toObjectKey(value: object): string {
  if (value instanceof Date) return `date:${value.getTime()}`
  if (value instanceof Uint8Array) return `binary:${Buffer.from(value).toString('base64')}`
  if (Array.isArray(value)) return `array:${JSON.stringify(value.map(toBsonKey))}`
  if ('_bsontype' in value) return toBsonTypeKey(value as BsonValue)
  if (isPlainObject(value)) {
    return `object:${JSON.stringify(Object.entries(value).map(([name, member]) => [name, toBsonKey(member)]))}`
  }
  return 'other'
}

/** A value of any major of the driver's classes. */
interface BsonValue {
  readonly _bsontype: string
  readonly buffer?: Uint8Array
  readonly position?: number
  toString(): string
}

const NUMBERS = ['Double', 'Int32', 'Long', 'Decimal128']

function toBsonTypeKey(value: BsonValue): string {
  const type = value._bsontype
  if (NUMBERS.includes(type)) return toNumberKey(value.toString())
  if (type === 'ObjectId') return `ObjectId:${value.toString()}`
  // A UUID is one, too. Of the subtypes none is distinguished.
  if (value.buffer) return toObjectKey(value.buffer.subarray(0, value.position))
  if (type === 'BSONSymbol') return toBsonKey(value.toString())
  return type
}

function toNumberKey(value: number | bigint | string): string {
  return `number:${Number(value) + 0}`
}

/** Names a document, as change events do. */
export function toDocumentKey(documentId: unknown): string {
  return `document ${toBsonKey(documentId)}`
}

/** Names whoever is found by a value of the user id field. */
export function toUserKey(userIdValue: unknown): string {
  return `user ${toBsonKey(userIdValue)}`
}
