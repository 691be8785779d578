import type { Document } from 'mongodb'
import { isPlainObject } from './frozen-copy.js'
import type { FieldChange } from './rehearsal.js'

/** Some fields of a document that was read in the exact form, as handlers would get them, in a fixed order. */
export function pickPlain(exact: Document, names: readonly string[]): Record<string, unknown> {
  const there = names.filter(name => Object.hasOwn(exact, name) && exact[name] !== undefined)
  return Object.fromEntries(there.map(name => [name, toPlain(exact[name])]))
}

/** What the plain form would have given: numbers for numbers, where JavaScript can hold them. */
function toPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toPlain)
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toPlain(member)]))
  }
  return isBson(value) ? toPrimitive(value) : value
}

interface BsonValue {
  readonly _bsontype: string
  readonly value?: unknown
  toNumber?: () => number
}

function isBson(value: unknown): value is BsonValue {
  return typeof value === 'object' && value !== null && '_bsontype' in value
}

function toPrimitive(value: BsonValue): unknown {
  switch (value._bsontype) {
    case 'Int32':
    case 'Double':
    case 'BSONSymbol':
      return value.value
    case 'Long': {
      const number = value.toNumber?.()
      return Number.isSafeInteger(number) ? number : value
    }
    default:
      return value
  }
}

/** Holds where a field has the value that was read, or is missing as it was; types of numbers do not count. */
export function hasValue(name: string, exact: Document): Document {
  if (!Object.hasOwn(exact, name)) return { $eq: [{ $type: `$${name}` }, 'missing'] }
  return { $eq: [`$${name}`, { $literal: exact[name] as unknown }] }
}

/** Update operators for a change. Without any the driver would take it for a document. */
export function toUpdate({ set, unset }: FieldChange): Document {
  if (unset.length === 0) return { $set: set }
  const $unset = Object.fromEntries(unset.map(name => [name, true]))
  return Object.keys(set).length === 0 ? { $unset } : { $set: set, $unset }
}
