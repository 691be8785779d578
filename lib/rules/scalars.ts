import { isDate, isRegExp, isUint8Array } from 'node:util/types'
import { parseNumeric } from './numbers.js'
import type { Numeric } from './numbers.js'

/** A value that is not made of others, in a form that can be compared: its type, and its content. */
export type Scalar =
  | { readonly type: 'number'; readonly content: Numeric }
  | { readonly type: 'string' | 'objectId'; readonly content: string }
  | { readonly type: 'boolean'; readonly content: boolean }
  | { readonly type: 'date'; readonly content: number }
  | { readonly type: 'null'; readonly content: null }
  /** Types that have no order which a rule could mean. */
  | { readonly type: 'binary' | 'timestamp' | 'regex'; readonly content: string }

/** A value that a rule makes by itself: an ObjectId or a UUID, without the driver's classes. */
export class MadeValue {
  constructor(readonly scalar: Scalar) {}
}

const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

/** The scalar of a value of JavaScript or BSON; `undefined` for what is none, or of a type that rules do not know. */
export function toScalar(value: unknown): Scalar | undefined {
  switch (typeof value) {
    case 'string':
      return { type: 'string', content: value }
    case 'number':
    case 'bigint':
      return { type: 'number', content: value }
    case 'boolean':
      return { type: 'boolean', content: value }
    case 'object':
      return value === null ? { type: 'null', content: null } : scalarOfObject(value)
    default:
      return undefined
  }
}

function scalarOfObject(value: object): Scalar | undefined {
  if (value instanceof MadeValue) return value.scalar
  if (isDate(value)) return { type: 'date', content: value.getTime() }
  if (isRegExp(value)) return { type: 'regex', content: String(value) }
  if (isUint8Array(value)) return binary(0, Buffer.from(value).toString('hex'))
  try {
    return scalarOfBson(value)
  } catch {
    // It says that it is of a BSON type, and is not.
    return undefined
  }
}

/** The driver's classes, of whatever major, by the name that all of them carry on their prototype. */
function scalarOfBson(value: object): Scalar | undefined {
  const { _bsontype: type } = value as { readonly _bsontype?: unknown }
  switch (type) {
    case 'ObjectId':
    case 'ObjectID':
      return objectId(textOf(value))
    case 'Int32':
    case 'Double':
      return { type: 'number', content: Number(value.valueOf()) }
    case 'Long':
    case 'Decimal128':
      return numeric(textOf(value))
    case 'Timestamp':
      return { type: 'timestamp', content: textOf(value) }
    case 'Binary':
      return binary((value as { readonly sub_type: number }).sub_type, textOf(value, 'hex'))
    default:
      return undefined
  }
}

/** An ObjectId of 24 hex digits. */
export function objectId(hex: string): Scalar | undefined {
  const content = hex.toLowerCase()
  return OBJECT_ID_HEX.test(content) ? { type: 'objectId', content } : undefined
}

/** Bytes of a BSON subtype; 4 is a UUID. */
export function binary(subtype: number, hex: string): Scalar {
  return { type: 'binary', content: `${subtype}:${hex}` }
}

function numeric(text: string): Scalar | undefined {
  const content = parseNumeric(text)
  return content === undefined ? undefined : { type: 'number', content }
}

function textOf(value: object, encoding?: string): string {
  return (value as { toString: (encoding?: string) => string }).toString(encoding)
}
