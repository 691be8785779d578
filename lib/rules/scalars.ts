import { isDate, isRegExp, isUint8Array } from 'node:util/types'
import { parseNumeric } from './numbers.js'
import type { Numeric } from './numbers.js'

/** A value that is neither a list nor an object, in a form that can be compared: its type and its content. */
export type Scalar =
  | { readonly type: 'number'; readonly content: Numeric }
  | { readonly type: 'string' | 'objectId'; readonly content: string }
  | { readonly type: 'boolean'; readonly content: boolean }
  | { readonly type: 'date'; readonly content: number }
  | { readonly type: 'null'; readonly content: null }
  /** Types without an order that a rule could use. */
  | { readonly type: 'binary' | 'timestamp' | 'regex' | 'minKey' | 'maxKey'; readonly content: string }

/** A value that a rule itself makes, such as an ObjectId or a UUID. It needs no class of the driver. */
export class MadeValue {
  constructor(readonly scalar: Scalar) {}
}

const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

/** The scalar of a value of JavaScript or BSON; `undefined` for lists, objects, and types that rules do not know. */
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
  if (isRegExp(value)) return regex(value.source, toBsonOptions(value.flags))
  if (isUint8Array(value)) return binary(0, Buffer.from(value).toString('hex'))
  try {
    return scalarOfBson(value)
  } catch {
    // The object names a BSON type but does not have the members of that type.
    return undefined
  }
}

/** Recognises the classes of all drivers by the name of the BSON type on their prototype. */
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
    case 'MinKey':
      return { type: 'minKey', content: '' }
    case 'MaxKey':
      return { type: 'maxKey', content: '' }
    case 'BSONRegExp':
      return regexOf(value as { readonly pattern: string; readonly options: string })
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

/** A regular expression with the options of BSON. Patterns are compared as texts, and are never tried. */
export function regex(pattern: string, options: string): Scalar {
  return { type: 'regex', content: `/${toSource(pattern)}/${Array.from(options).sort().join('')}` }
}

function regexOf({ pattern, options }: { readonly pattern: string; readonly options: string }): Scalar {
  return regex(pattern, options)
}

const BSON_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['i', 'i'],
  ['m', 'm'],
  ['g', 's'],
])

/** The driver stores the flag `g` of JavaScript as the option `s` of BSON, and gives it back in the same way. */
function toBsonOptions(flags: string): string {
  return Array.from(flags, flag => BSON_OPTIONS.get(flag) ?? '').join('')
}

/** JavaScript escapes slashes in the source of a pattern, and other clients do not. */
function toSource(pattern: string): string {
  try {
    return new RegExp(pattern).source
  } catch {
    // Other regular expression engines accept patterns that JavaScript does not.
    return pattern
  }
}

function numeric(text: string): Scalar | undefined {
  const content = parseNumeric(text)
  return content === undefined ? undefined : { type: 'number', content }
}

function textOf(value: object, encoding?: string): string {
  return (value as { toString: (encoding?: string) => string }).toString(encoding)
}
