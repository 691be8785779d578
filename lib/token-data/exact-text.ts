import { isDate, isRegExp, isUint8Array } from 'node:util/types'
import { isPlainObject } from '../util/plain-object.js'

/** A value that is nested deeper has no exact text, so that the time is bounded. */
const MAX_DEPTH = 8

/**
 * Converts a value to a text that is equal for two values only if they have the same type and content. For example `'10'`
 * and `10` have different texts. `undefined` for a value with parts of an unknown type, which is never equal to another.
 */
export function toExactText(value: unknown): string | undefined {
  const parts = toParts(value, 0)
  return parts === undefined ? undefined : JSON.stringify(parts)
}

type Parts = readonly (string | Parts)[]

function toParts(value: unknown, depth: number): Parts | undefined {
  if (value === null) return ['null']
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return [typeof value, String(value)]
    case 'number':
      return ['number', Object.is(value, -0) ? '-0' : String(value)]
    case 'object':
      return depth < MAX_DEPTH ? partsOf(value, depth + 1) : undefined
    default:
      return undefined
  }
}

function partsOf(value: object, depth: number): Parts | undefined {
  if (isDate(value)) return ['date', String(value.getTime())]
  if (isUint8Array(value)) return ['bytes', Buffer.from(value).toString('base64')]
  if (isRegExp(value)) return ['regexp', value.source, value.flags]
  if (Array.isArray(value)) return all(['list'], value, depth)
  if ('_bsontype' in value && !Object.hasOwn(value, '_bsontype')) return partsOfBson(value as BsonValue)
  if (!isPlainObject(value) || 'toBSON' in value) return undefined
  return all(['document', JSON.stringify(Object.keys(value))], Object.values(value), depth)
}

function all(parts: (string | Parts)[], members: readonly unknown[], depth: number): Parts | undefined {
  for (const member of members) {
    const memberParts = toParts(member, depth)
    if (memberParts === undefined) return undefined
    parts.push(memberParts)
  }
  return parts
}

/** A BSON value of any major version of the driver. */
interface BsonValue {
  readonly _bsontype: string
  readonly sub_type?: number
  readonly buffer?: Uint8Array
  readonly position?: number
  toString(): string
}

/** The BSON types whose `toString()` contains the whole value. */
const WHOLE_IN_TEXT = ['ObjectId', 'Int32', 'Double', 'Long', 'Decimal128']

function partsOfBson(value: BsonValue): Parts | undefined {
  const { _bsontype: type, sub_type: subtype, buffer, position } = value
  if (WHOLE_IN_TEXT.includes(type)) return [type, value.toString()]
  if (!buffer || subtype === undefined) return undefined
  return [type, String(subtype), Buffer.from(buffer.subarray(0, position)).toString('base64')]
}
