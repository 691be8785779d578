import type { BSONRegExp, Code, DBRef, Long } from 'mongodb'
import { isBsonValue } from './bson-classes.js'
import type { BsonValue } from './bson-classes.js'
import { toRegExp } from './from-extended-json.js'
import { isPlainObject } from './plain-object.js'
import { cloneWhole } from './whole-values.js'

/** The driver's own bound; beyond it a 64-bit integer stays what it is. */
const MAX_PROMOTED_LONG = 2n ** 53n

/**
 * What the driver gives with `promoteValues: true`, made of what was loaded with `false`, so that handlers get the same
 * whether or not the types of numbers were asked for. What is given stays as it is.
 */
export function promoteValues(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(promoteValues)
  if (isPlainObject(value)) return promoteMembers(value)
  return typeof value === 'object' && value !== null && isBsonValue(value) ? promoteBsonValue(value) : value
}

function promoteMembers(source: object): object {
  const copy = {}
  for (const [key, value] of Object.entries(source)) {
    const member = { value: promoteValues(value), enumerable: true, writable: true, configurable: true }
    Object.defineProperty(copy, key, member)
  }
  return copy
}

function promoteBsonValue(value: BsonValue): unknown {
  switch (value._bsontype) {
    case 'Int32':
    case 'Double':
    case 'BSONSymbol':
      return value.valueOf()
    case 'Long':
      return promoteLong(value as unknown as Long)
    case 'BSONRegExp': {
      const { pattern, options } = value as unknown as BSONRegExp
      return toRegExp(pattern, options)
    }
    case 'Code':
      return promoteScope(value as unknown as Code)
    case 'DBRef':
      return promoteReference(value as unknown as DBRef)
    default:
      return value
  }
}

function promoteLong(value: Long): Long | number {
  const exact = value.toBigInt()
  return exact >= -MAX_PROMOTED_LONG && exact <= MAX_PROMOTED_LONG ? Number(exact) : value
}

function promoteScope(value: Code): Code {
  if (value.scope === null) return value
  return Object.assign(cloneWhole(value) as Code, { scope: promoteMembers(value.scope) })
}

function promoteReference(value: DBRef): DBRef {
  const oid = promoteValues(value.oid) as DBRef['oid']
  return Object.assign(cloneWhole(value) as DBRef, { oid, fields: promoteMembers(value.fields) })
}
