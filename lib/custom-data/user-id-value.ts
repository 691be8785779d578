import { types } from 'node:util'
import { isPlainObject } from './plain-object.js'

/** BSON types that cannot be a user id: queries treat them as patterns, or they stand for no value. */
const NO_ID_TYPES = ['BSONRegExp', 'Code', 'DBRef', 'MaxKey', 'MinKey']
const NUMBER_TYPES = ['Decimal128', 'Double', 'Int32', 'Long']

/**
 * Says why a user's document cannot be searched for by this value; `undefined` if it can. All ids that fail to convert give
 * the same value, for example `NaN`, so that value would match another user's document.
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
  // A value of the driver has this name in its prototype. A field with this name means that the object is a document.
  if (Object.hasOwn(value, '_bsontype')) return 'an object with a field "_bsontype"'
  if (NO_ID_TYPES.includes(type)) return `a ${type}`
  const isNumber = NUMBER_TYPES.includes(type)
  return isNumber && (value as { toString(): string }).toString() === 'NaN' ? 'NaN' : undefined
}

/** Checks an id of several parts, such as `{ tenant: 1, number: 2 }`. */
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
