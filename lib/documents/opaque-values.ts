import { isDeepStrictEqual, types } from 'node:util'
import type { ObjectId } from 'mongodb'
import { isPlainObject } from '../util/plain-object.js'

/** Dates, BSON values, maps, buffers…: objects that are not plain. */
export function isWhole(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)
}

/** Whether two such values are the same. */
export function areEqualWholes(one: unknown, other: object): boolean {
  // What nearly every document has is compared without looking into it.
  if (types.isDate(one) && types.isDate(other)) return one.getTime() === other.getTime()
  if (isObjectId(one) && isObjectId(other)) return one.equals(other)
  return isDeepStrictEqual(one, other)
}

function isObjectId(value: unknown): value is ObjectId {
  return (value as { _bsontype?: unknown } | null | undefined)?._bsontype === 'ObjectId'
}

/** A copy that shares nothing with the value. */
export function cloneWhole(value: object): object {
  if (types.isDate(value)) return new Date(value)
  if (types.isRegExp(value)) return new RegExp(value)
  return '_bsontype' in value ? cloneBsonValue(value) : structuredClone(value)
}

/** The driver's classes keep their state in own properties, bytes included, whatever its major. */
function cloneBsonValue(value: object): object {
  const clone = Object.create(Object.getPrototypeOf(value) as object) as Record<PropertyKey, unknown>
  for (const key of Reflect.ownKeys(value)) {
    clone[key] = cloneState((value as Record<PropertyKey, unknown>)[key])
  }
  return clone
}

function cloneState(state: unknown): unknown {
  if (types.isUint8Array(state)) return Buffer.isBuffer(state) ? Buffer.from(state) : state.slice()
  if (Array.isArray(state)) return state.map(cloneState)
  if (isPlainObject(state)) {
    return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, cloneState(value)]))
  }
  return isWhole(state) ? cloneWhole(state) : state
}
