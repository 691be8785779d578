import { types } from 'node:util'
import { isPlainObject } from '../util/plain-object.js'

/** BSON types that cannot be a user id: queries treat them as patterns, or they stand for no value. */
const NO_ID_TYPES = ['BSONRegExp', 'Code', 'DBRef', 'MaxKey', 'MinKey']
const NUMBER_TYPES = ['Decimal128', 'Double', 'Int32', 'Long']
/** The results for many ids that are not numbers, or that are too large. */
const NO_NUMBERS = ['NaN', 'Infinity', '-Infinity']

/** Copies a value, so that later changes of it have no effect. BSON values and dates are not copied. */
export function copyIdValue(value: unknown): unknown {
  if (types.isUint8Array(value)) return Buffer.from(value)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyIdValue(member)]))
}

/**
 * Says why a user's document cannot be searched for by this value; `undefined` if it can. All ids that fail to convert give
 * the same value, for example `NaN`, so that value would match another user's document.
 */
export function faultOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return faultOfText(value)
    case 'number':
      return Number.isFinite(value) ? undefined : String(value)
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? undefined : 'a bigint that does not fit into 64 bits'
    case 'object':
      return value === null ? 'null' : faultOfObject(value)
    default:
      return value === undefined ? 'undefined' : `a ${typeof value}`
  }
}

/** BSON holds UTF-8, in which each half of a character becomes the same replacement character. */
function faultOfText(text: string): string | undefined {
  if (text === '') return 'an empty text'
  return text.isWellFormed() ? undefined : 'a text with half of a character'
}

function faultOfObject(value: object): string | undefined {
  if (Array.isArray(value)) return 'a list within the list'
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? 'a date that is not valid' : undefined
  if (types.isRegExp(value)) return 'a regular expression'
  if (types.isUint8Array(value)) return value.length === 0 ? 'empty bytes' : undefined
  if ('_bsontype' in value) return faultOfBsonValue(value)
  return isPlainObject(value) ? faultOfMembers(value) : 'an instance of a class that is not BSON'
}

function faultOfBsonValue(value: object): string | undefined {
  const type = String((value as { readonly _bsontype: unknown })._bsontype)
  // A value of the driver has this name in its prototype. A field with this name means that the object is a document.
  if (Object.hasOwn(value, '_bsontype')) return 'an object with a field "_bsontype"'
  if (NO_ID_TYPES.includes(type)) return `a ${type}`
  const text = (value as { toString(): string }).toString()
  if (type === 'BSONSymbol') return faultOfText(text)
  return NUMBER_TYPES.includes(type) && NO_NUMBERS.includes(text) ? text : undefined
}

/** Checks an id of several parts, such as `{ tenant: 1, number: 2 }`. */
function faultOfMembers(value: object): string | undefined {
  const members = Object.entries(value)
  if (members.length === 0) return 'an empty object'
  for (const [name, member] of members) {
    if (!name.isWellFormed()) return 'a field name with half of a character'
    if (name.startsWith('$')) return `an object with the operator "${name}"`
    const fault = faultOf(member)
    if (fault !== undefined) return `${fault} in "${name}"`
  }
  return undefined
}
