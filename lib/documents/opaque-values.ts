import { isDeepStrictEqual, types } from 'node:util'
import type { ObjectId } from 'mongodb'
import { isPlainObject } from '../util/plain-object.js'

/** Whether a value is an object that freezing does not protect: a date, a BSON value, a buffer, a map. */
export function isOpaque(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)
}

/** Whether an opaque value is the same as another value. */
export function areEqualOpaque(one: unknown, other: object): boolean {
  // Nearly every document has an ObjectId, so these are compared without a walk through their members.
  if (isObjectId(one) && isObjectId(other)) return one.equals(other)
  return isDeepStrictEqual(one, other)
}

function isObjectId(value: unknown): value is ObjectId {
  return hasBsonType(value, 'ObjectId')
}

/** Whether a value holds bytes: binaries do, and in older drivers ObjectIds do too. */
export function holdsBytes(value: object): boolean {
  if (types.isUint8Array(value)) return true
  return Reflect.ownKeys(value).some(key => types.isUint8Array(Reflect.get(value, key)))
}

function hasBsonType(value: unknown, name: string): boolean {
  return (value as { _bsontype?: unknown } | null | undefined)?._bsontype === name
}

/** Creates a new instance that shares nothing with the value. */
export function cloneOpaque(value: object): object {
  if (types.isDate(value)) return new Date(value)
  if (types.isRegExp(value)) return new RegExp(value)
  return '_bsontype' in value ? cloneBsonValue(value) : structuredClone(value)
}

/** In all majors of the driver its classes keep their whole state, bytes included, in own properties. */
function cloneBsonValue(value: object): object {
  const clone = Object.create(Object.getPrototypeOf(value) as object) as Record<PropertyKey, unknown>
  for (const key of Reflect.ownKeys(value)) {
    clone[key] = cloneState((value as Record<PropertyKey, unknown>)[key])
  }
  return clone
}

function cloneState(state: unknown): unknown {
  // Not `Buffer.from()`: its bytes are a part of a larger pool, which a kept value would hold in memory.
  if (types.isUint8Array(state)) return Uint8Array.prototype.slice.call(state)
  if (Array.isArray(state)) return state.map(cloneState)
  if (isPlainObject(state)) {
    return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, cloneState(value)]))
  }
  return isOpaque(state) ? cloneOpaque(state) : state
}
