import { types } from 'node:util'
import { isPlainObject } from './plain-object.js'

/** BSON values that no user id is stored as, because queries take them for patterns, or because they stand for no value. */
const NO_ID_TYPES = ['BSONRegExp', 'Code', 'DBRef', 'MaxKey', 'MinKey']
const NUMBER_TYPES = ['Decimal128', 'Double', 'Int32', 'Long']

/**
 * Says what is wrong with a value that a user's document is to be looked up by; `undefined` where nothing is. A value that comes
 * from an id that could not be converted would match a document of somebody else, as all such ids give the same value.
 */
export function faultOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value === '' ? 'an empty text' : undefined
    case 'number':
      return Number.isNaN(value) ? 'NaN' : undefined
    case 'bigint':
      return undefined
    case 'object':
      return value === null ? 'null' : faultOfObject(value)
    default:
      return value === undefined ? 'undefined' : `a ${typeof value}`
  }
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
  // A document with a field of that name is no value of the driver's.
  if (Object.hasOwn(value, '_bsontype')) return 'an object with a field "_bsontype"'
  if (NO_ID_TYPES.includes(type)) return `a ${type}`
  const isNumber = NUMBER_TYPES.includes(type)
  return isNumber && (value as { toString(): string }).toString() === 'NaN' ? 'NaN' : undefined
}

/** An id of several parts, as `{ tenant: 1, number: 2 }`. */
function faultOfMembers(value: object): string | undefined {
  const members = Object.entries(value)
  if (members.length === 0) return 'an empty object'
  for (const [name, member] of members) {
    if (name.startsWith('$')) return `an object with the operator "${name}"`
    const fault = faultOf(member)
    if (fault !== undefined) return `${fault} in "${name}"`
  }
  return undefined
}
