import { hash } from 'node:crypto'
import { isDate, isMap, isRegExp, isUint8Array } from 'node:util/types'
import { isPlainObject } from '../util/plain-object.js'

/** Lists and documents nested deeper than this are not examined. */
const MAX_DEPTH = 4
/** Only the beginning of a longer text, or of a longer list of members, goes into the key. */
const MAX_TEXT = 1_000
/** A longer key is replaced by its digest. */
const MAX_KEY_LENGTH = 256

/** The key of every value of an unknown type. MongoDB may compare such a value as equal to any other value. */
const OTHER = 'other'

/**
 * Converts a BSON value to a short text. Values that MongoDB compares as equal have the same text, or one of them has the
 * text `other`. Some different values share a text, so use it only to find the snapshots that a change may invalidate, and
 * never to decide who owns a document. Time and length are bounded, because a stored document can contain any value.
 */
export function toBsonKey(value: unknown): string {
  const key = toKey(value, 0) ?? OTHER
  return key.length > MAX_KEY_LENGTH ? `hash:${hash('sha256', key, 'base64url')}` : key
}

/** The key before it is shortened; `undefined` for a value of an unknown type or with a member of an unknown type. */
function toKey(value: unknown, depth: number): string | undefined {
  if (value === null || (value === undefined && depth === 0)) return 'null'
  switch (typeof value) {
    case 'string':
      return `string:${toBounded(value)}`
    case 'number':
    case 'bigint':
      // MongoDB compares 1, 1n, 1.0 and a Decimal128 of 1.00 as equal.
      return toNumberKey(value)
    case 'boolean':
      return String(value)
    case 'object':
      return toObjectKey(value, depth)
    default:
      return undefined
  }
}

function toObjectKey(value: object, depth: number): string | undefined {
  if (isDate(value)) return `date:${value.getTime()}`
  if (isUint8Array(value)) return toBinaryKey(value)
  if (isRegExp(value)) return `regexp:${toBounded(value.source)}`
  // Classes of the driver have this member in their prototypes. A stored document can have an own field of that name.
  if ('_bsontype' in value && !Object.hasOwn(value, '_bsontype')) return toBsonTypeKey(value as BsonValue)
  if (depth === MAX_DEPTH) return 'deep'
  if (Array.isArray(value)) return toListKey('array', value.length, value, depth)
  if (isMap(value)) return toListKey('object', value.size, flattened(value), depth)
  if (!isPlainObject(value) || typeof (value as { readonly toBSON?: unknown }).toBSON === 'function')
    return undefined
  const names = Object.keys(value)
  // The driver decodes such a document as a DBRef.
  if (names.includes('$ref') && names.includes('$id')) return 'DBRef'
  return toListKey('object', names.length, flattened(entriesOf(value, names)), depth)
}

/** The length before each member's key makes escapes unnecessary. Escapes would double the key at each level. */
function toListKey(
  kind: string,
  size: number,
  members: Iterable<unknown>,
  depth: number,
): string | undefined {
  let key = `${kind}:${size}`
  for (const member of members) {
    const memberKey = toKey(member, depth + 1)
    if (memberKey === undefined) return undefined
    key += `,${memberKey.length}:${memberKey}`
    if (key.length > MAX_TEXT) break
  }
  return key
}

function* entriesOf(value: object, names: readonly string[]): Iterable<readonly [string, unknown]> {
  for (const name of names) yield [name, (value as Readonly<Record<string, unknown>>)[name]]
}

function* flattened(entries: Iterable<readonly [unknown, unknown]>): Iterable<unknown> {
  for (const entry of entries) yield* entry
}

/** A BSON value of any major version of the driver. */
interface BsonValue {
  readonly _bsontype: string
  readonly buffer?: Uint8Array
  readonly position?: number
  toString(): string
}

function toBsonTypeKey(value: BsonValue): string {
  switch (value._bsontype) {
    case 'Double':
    case 'Int32':
    case 'Long':
    case 'Decimal128':
      return toNumberKey(value.toString())
    case 'ObjectId':
      return `ObjectId:${value.toString()}`
    case 'Binary':
    case 'UUID':
      // Subtypes are not distinguished: a UUID is also a binary.
      return toBinaryKey((value.buffer ?? new Uint8Array()).subarray(0, value.position))
    case 'BSONSymbol':
      return `string:${toBounded(value.toString())}`
    default:
      return toBounded(value._bsontype)
  }
}

function toBinaryKey(bytes: Uint8Array): string {
  return `binary:${bytes.length}:${Buffer.from(bytes.subarray(0, MAX_TEXT)).toString('base64')}`
}

function toNumberKey(value: number | bigint | string): string {
  return `number:${Number(value) + 0}`
}

function toBounded(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)} of ${text.length}`
}

/** The key of a document, by the `_id` that change events contain. */
export function toDocumentKey(documentId: unknown): string {
  return `document ${toBsonKey(documentId)}`
}

/** The key of all users whose id field has a value that MongoDB compares as equal. */
export function toUserKey(userIdValue: unknown): string {
  return `user ${toBsonKey(userIdValue)}`
}

/**
 * The keys that a change of a document invalidates: the document, the user id that it has now, and values of unknown types,
 * which may be equal to one of the two. `undefined` if the id of the document or of the user is of an unknown type, because
 * then any user may be concerned.
 */
export function toChangeKeys(documentId: unknown, userIdValue: unknown): readonly string[] | undefined {
  const keys = [toDocumentKey(documentId), toUserKey(userIdValue)]
  return keys.some(key => UNKNOWN_KEYS.includes(key)) ? undefined : [...keys, ...UNKNOWN_KEYS]
}

const UNKNOWN_KEYS = [`document ${OTHER}`, `user ${OTHER}`]
