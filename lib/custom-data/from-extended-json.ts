import type { Decimal128, Long } from 'mongodb'
import { toBinaryKind } from './bson-classes.js'
import type { BsonClasses, BsonKind } from './bson-classes.js'
import { isPlainObject } from './plain-object.js'

type Members = Readonly<Record<string, unknown>>
type Decode = (value: unknown) => unknown
type Decoder = (content: never, decode: Decode, make: Make, whole: Members) => unknown
/** Makes a value with the class of the team's own driver. */
type Make = (kind: BsonKind, ...args: unknown[]) => unknown

/** Up to here the driver gives 64-bit integers as numbers. */
const MAX_PROMOTED_LONG = 2n ** 53n

/** By the member that says the type. */
const DECODERS: Readonly<Record<string, Decoder>> = {
  $oid: (hex: string, _decode, make) => make('ObjectId', hex),
  $binary: ({ base64, subType }: { base64: string; subType: string }, _decode, make) => {
    const bytes = Buffer.from(base64, 'base64')
    const type = Number.parseInt(subType, 16)
    return make(toBinaryKind(type, bytes.length), bytes, type)
  },
  $numberInt: Number,
  $numberDouble: Number,
  $numberLong: (digits: string, _decode, make) => toPromotedLong(digits, make),
  $numberDecimal: (digits: string, _decode, make) => make('Decimal128', digits),
  $date: (date: string | { $numberLong: string }) =>
    new Date(typeof date === 'string' ? date : Number(date.$numberLong)),
  $timestamp: (parts: { t: number; i: number }, _decode, make) => make('Timestamp', parts),
  $regularExpression: ({ pattern, options }: { pattern: string; options: string }) =>
    toRegExp(pattern, options),
  $symbol: String,
  $undefined: () => undefined,
  $minKey: (_one, _decode, make) => make('MinKey'),
  $maxKey: (_one, _decode, make) => make('MaxKey'),
  $code: (code: string, decode, make, { $scope }) =>
    make('Code', code, ...($scope === undefined ? [] : [decode($scope)])),
  $ref: (collection: string, decode, make, { $id, $db, ...others }) => {
    const fields = Object.fromEntries(Object.entries(others).filter(([name]) => name !== '$ref'))
    return make('DBRef', collection, decode($id), $db, decode(fields))
  },
}

/**
 * Reads Extended JSON v2, as `toExtendedJson` writes it in either format, into what the driver gives on loading: numbers
 * where it gives numbers, and else values of its own classes. Throws for what is no Extended JSON, and an
 * `UnknownBsonClassError` where a class is not known.
 */
export function fromExtendedJson(json: unknown, classes: BsonClasses): unknown {
  const make: Make = (kind, ...args) => construct(kind, args, classes)
  const decode: Decode = value => {
    if (Array.isArray(value)) return value.map(decode)
    if (!isPlainObject(value)) return value
    const type = Object.keys(value).find(key => key.startsWith('$'))
    return type === undefined
      ? decodeMembers(value, decode)
      : decodeTyped(type, value as Members, decode, make)
  }
  return decode(json)
}

function decodeTyped(type: string, value: Members, decode: Decode, make: Make): unknown {
  const decoder = Object.hasOwn(DECODERS, type) ? DECODERS[type] : undefined
  if (!decoder) throw new TypeError('There is no such type in Extended JSON')
  return decoder(value[type] as never, decode, make, value)
}

function decodeMembers(source: object, decode: Decode): object {
  const copy = {}
  for (const [key, value] of Object.entries(source)) {
    const member = { value: decode(value), enumerable: true, writable: true, configurable: true }
    Object.defineProperty(copy, key, member)
  }
  return copy
}

function construct(kind: BsonKind, args: readonly unknown[], classes: BsonClasses): unknown {
  const valueClass = classes.of(kind)
  if (kind === 'Decimal128') return (valueClass as unknown as typeof Decimal128).fromString(args[0] as string)
  if (kind === 'Long') return (valueClass as unknown as typeof Long).fromString(args[0] as string)
  return new valueClass(...(args as never[]))
}

function toPromotedLong(digits: string, make: Make): unknown {
  const value = BigInt(digits)
  return value >= -MAX_PROMOTED_LONG && value <= MAX_PROMOTED_LONG ? Number(value) : make('Long', digits)
}

/** The driver gives the option `s` as the flag `g`, and leaves out those that JavaScript has not. */
export function toRegExp(pattern: string, options: string): RegExp {
  return new RegExp(pattern, options.replace(/[^ims]/g, '').replace('s', 'g'))
}
