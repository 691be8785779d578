import type {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  ObjectId,
} from 'mongodb'
import { isBsonValue } from './bson-classes.js'
import type { BsonValue } from './bson-classes.js'
import { isPlainObject } from './plain-object.js'

/** MongoDB Extended JSON v2: `canonical` says each number's type, `relaxed` writes numbers as JSON has them. */
export type ExtendedJsonFormat = 'relaxed' | 'canonical'

/** A value that no Extended JSON reads back as. */
export class NoExtendedJsonError extends Error {
  override readonly name = 'NoExtendedJsonError'
}

type Encode = (value: unknown) => unknown
type Encoder = (value: never, encode: Encode, format: ExtendedJsonFormat) => unknown

/** The first instant of the year 10000, which ISO 8601 cannot write with four digits. */
const YEAR_10000_MS = 253_402_300_800_000
const MAX_INT32 = 2 ** 31 - 1
const MIN_INT32 = -(2 ** 31)

/** By `_bsontype`. Only public members of the classes are used, which are the same in all majors of the driver. */
const ENCODERS: Readonly<Record<string, Encoder>> = {
  ObjectId: (value: ObjectId) => ({ $oid: value.toHexString() }),
  Binary: (value: Binary) => ({
    $binary: { base64: value.toString('base64'), subType: value.sub_type.toString(16).padStart(2, '0') },
  }),
  Decimal128: (value: Decimal128) => ({ $numberDecimal: value.toString() }),
  Double: (value: Double, _encode, format) => encodeDouble(value.valueOf(), format),
  Int32: (value: Int32, _encode, format) =>
    format === 'canonical' ? { $numberInt: String(value.valueOf()) } : value.valueOf(),
  Long: (value: Long, _encode, format) => encodeLong(value, format),
  Timestamp: ({ high, low }: { readonly high: number; readonly low: number }) => ({
    $timestamp: { t: high >>> 0, i: low >>> 0 },
  }),
  BSONRegExp: ({ pattern, options }: BSONRegExp) => ({ $regularExpression: { pattern, options } }),
  BSONSymbol: (value: BSONSymbol) => ({ $symbol: value.valueOf() }),
  MinKey: () => ({ $minKey: 1 }),
  MaxKey: () => ({ $maxKey: 1 }),
  Code: ({ code, scope }: Code, encode) => ({
    $code: code,
    ...(scope !== null && { $scope: encode(scope) }),
  }),
  DBRef: ({ collection, oid, db, fields }: DBRef, encode) => ({
    $ref: collection,
    $id: encode(oid),
    ...(db !== undefined && { $db: db }),
    ...(encode(fields) as object),
  }),
}

/**
 * Writes what a driver has loaded as Extended JSON, from which `fromExtendedJson` gives the same again: so a 64-bit
 * integer that JSON numbers cannot hold keeps its type in `relaxed`, too. `onBsonValue` is told of each BSON value.
 * Throws a {@link NoExtendedJsonError} for what it cannot say: fields that begin with `$`, and what is not BSON.
 */
export function toExtendedJson(
  document: unknown,
  format: ExtendedJsonFormat,
  onBsonValue: (value: BsonValue) => void = () => undefined,
): unknown {
  const encode: Encode = value => {
    if (typeof value === 'number') return encodeNumber(value, format)
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (value === undefined) return { $undefined: true }
    if (typeof value !== 'object') throw new NoExtendedJsonError(`A ${typeof value} is not BSON`)
    if (Array.isArray(value)) return value.map(encode)
    if (value instanceof Date) return encodeDate(value, format)
    if (value instanceof RegExp) return encodeRegExp(value)
    if (!isBsonValue(value)) return encodeMembers(value, encode)
    onBsonValue(value)
    return encodeBsonValue(value, encode, format)
  }
  return encode(document)
}

function encodeBsonValue(value: BsonValue, encode: Encode, format: ExtendedJsonFormat): unknown {
  const encoder = Object.hasOwn(ENCODERS, value._bsontype) ? ENCODERS[value._bsontype] : undefined
  if (!encoder) throw new NoExtendedJsonError(`A ${value._bsontype} has no Extended JSON here`)
  return encoder(value as never, encode, format)
}

/** Defines instead of assigning, for the sake of a field named `__proto__`. */
function encodeMembers(source: object, encode: Encode): object {
  if (!isPlainObject(source)) throw new NoExtendedJsonError('An instance of a class is not BSON')
  const copy = {}
  for (const [key, value] of Object.entries(source)) {
    if (key.startsWith('$')) throw new NoExtendedJsonError('A field begins with $, as types do')
    Object.defineProperty(copy, key, { value: encode(value), enumerable: true })
  }
  return copy
}

/** A number of JavaScript's, as the driver would write it: a 32-bit integer, or else a double. */
function encodeNumber(value: number, format: ExtendedJsonFormat): unknown {
  const isInt32 = Number.isInteger(value) && value >= MIN_INT32 && value <= MAX_INT32
  if (format === 'canonical' && isInt32 && !Object.is(value, -0)) return { $numberInt: String(value) }
  return encodeDouble(value, format)
}

function encodeDouble(value: number, format: ExtendedJsonFormat): unknown {
  if (Object.is(value, -0)) return { $numberDouble: '-0.0' }
  if (format === 'relaxed' && Number.isFinite(value)) return value
  return { $numberDouble: Number.isInteger(value) ? value.toFixed(1) : String(value) }
}

function encodeLong(value: Long, format: ExtendedJsonFormat): unknown {
  const isSafe = Number.isSafeInteger(value.toNumber())
  return format === 'relaxed' && isSafe ? value.toNumber() : { $numberLong: value.toString() }
}

function encodeDate(value: Date, format: ExtendedJsonFormat): unknown {
  const ms = value.getTime()
  if (Number.isNaN(ms)) throw new NoExtendedJsonError('A date is not valid')
  if (format === 'canonical' || ms < 0 || ms >= YEAR_10000_MS) return { $date: { $numberLong: String(ms) } }
  return { $date: value.toISOString().replace('.000Z', 'Z') }
}

/** The driver loads the option `s` as the flag `g`, and writes it so. */
function encodeRegExp({ source, flags }: RegExp): unknown {
  if (/[^gim]/.test(flags)) throw new NoExtendedJsonError('A regular expression has flags that BSON lacks')
  return {
    $regularExpression: {
      pattern: source,
      options: flags.replace('g', '') + (flags.includes('g') ? 's' : ''),
    },
  }
}
