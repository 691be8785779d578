import { types } from 'node:util'

/** Longer texts are cut, so that a message stays readable. */
const MAX_SHOWN = 60
/** User name and password in a connection string or another URL. */
const USER_INFO = /\/\/[^/\s]*@/g

/** A value as an error message may show it. Never call it for a secret, a token or a password: see {@link describeType}. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return quote(value.replaceAll(USER_INFO, '//[removed]@'))
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'boolean') return String(value)
  return describeType(value)
}

/** The type of a value, for messages about values that must stay secret. */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return 'a text'
  if (typeof value === 'boolean') return 'true or false'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  if (types.isPromise(value)) return 'a promise'
  if (types.isDate(value)) return 'a Date'
  if (types.isRegExp(value)) return 'a regular expression'
  if (types.isUint8Array(value)) return 'bytes'
  return isObjectId(value) ? 'an ObjectId' : 'an object'
}

/** Whether a value is an ObjectId, of whichever copy of BSON. */
export function isObjectId(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'toHexString' in value || ('_bsontype' in value && /^object_?id$/i.test(String(value._bsontype)))
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)
}
