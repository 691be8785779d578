import { types } from 'node:util'
import { isThenable } from './call-at-once.js'

/** Longer texts are cut, so that a message stays readable. */
const MAX_SHOWN = 60
/** A connection string or an address can contain a password: before the host, with any characters, or in its query. */
const MAY_HOLD_PASSWORD = /@|mongodb|\/\/.*[?#]/is
/** Names of algorithms look like this. Any other text in their place may be a key. */
const ALGORITHM = /^[A-Za-z0-9]{2,8}$/

/** Describes a value for an error message. Use {@link describeType} for a secret, a token or a password. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return MAY_HOLD_PASSWORD.test(value) ? describeType(value) : quote(value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'boolean') return String(value)
  return describeType(value)
}

/** Describes the name of an algorithm for an error message. */
export function describeAlgorithm(value: unknown): string {
  return typeof value === 'string' && ALGORITHM.test(value) ? quote(value) : describeType(value)
}

/** Describes only the type of a value, for error messages about values that must stay secret. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return 'a text'
  if (typeof value === 'boolean') return 'true or false'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  if (isThenable(value)) return 'a promise: await it first'
  if (types.isMap(value)) return 'a Map'
  if (types.isSet(value)) return 'a Set'
  if (types.isDate(value)) return 'a Date'
  if (types.isRegExp(value)) return 'a regular expression'
  if (types.isUint8Array(value)) return 'bytes'
  return isObjectId(value) ? 'an ObjectId' : 'an object'
}

/** Whether a value is an ObjectId of any BSON library. */
export function isObjectId(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'toHexString' in value || ('_bsontype' in value && /^object_?id$/i.test(String(value._bsontype)))
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)
}
