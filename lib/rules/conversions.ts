import { parseNumeric } from './numbers.js'
import { binary, MadeValue, objectId, regex, toScalar } from './scalars.js'
import { isPlainObject } from '../util/plain-object.js'
import type { Scalar } from './scalars.js'

/** Converts a value; `undefined` if the value cannot be converted. */
type Conversion = (value: unknown) => unknown

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const UUID_BYTES = /^4:([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/

function made(scalar: Scalar | undefined): MadeValue | undefined {
  return scalar && new MadeValue(scalar)
}

/** Takes 24 hex digits, or a text of 12 bytes, like App Services. */
function stringToOid(value: unknown): unknown {
  if (typeof value !== 'string') return undefined
  const bytes = Buffer.from(value)
  return made(objectId(bytes.length === 12 ? bytes.toString('hex') : value))
}

function oidToString(value: unknown): unknown {
  const scalar = toScalar(value)
  return scalar?.type === 'objectId' ? scalar.content : undefined
}

function stringToUuid(value: unknown): unknown {
  const isUuid = typeof value === 'string' && UUID.test(value)
  return isUuid ? made(binary(4, value.toLowerCase().replaceAll('-', ''))) : undefined
}

function uuidToString(value: unknown): unknown {
  const scalar = toScalar(value)
  if (scalar?.type !== 'binary') return undefined
  return UUID_BYTES.exec(scalar.content)?.slice(1).join('-')
}

/** Operators that convert a value. */
export const CONVERSIONS: ReadonlyMap<string, Conversion> = new Map([
  ['%stringToOid', stringToOid],
  ['%oidToString', oidToString],
  ['%stringToUuid', stringToUuid],
  ['%uuidToString', uuidToString],
])

function number(value: unknown): unknown {
  const content = typeof value === 'string' ? parseNumeric(value) : undefined
  return content === undefined ? undefined : made({ type: 'number', content })
}

/** `{ "$date": … }`: a text of ISO 8601, milliseconds, or a `$numberLong` of these. */
function date(value: unknown): unknown {
  const { $numberLong: long } = Object(value) as { readonly $numberLong?: unknown }
  const given = typeof long === 'string' ? Number(long) : value
  if (typeof given !== 'string' && typeof given !== 'number') return undefined
  const content = new Date(given).getTime()
  return Number.isNaN(content) ? undefined : made({ type: 'date', content })
}

/** `{ "$binary": { "base64": …, "subType": … } }`; the subtype is one or two hex digits. */
function binaryJson(value: unknown): unknown {
  const { base64, subType } = membersOf(value)
  if (typeof base64 !== 'string' || typeof subType !== 'string' || !/^[0-9a-f]{1,2}$/i.test(subType))
    return undefined
  const bytes = Buffer.from(base64, 'base64')
  const isCanonical = bytes.toString('base64') === base64
  return isCanonical ? made(binary(parseInt(subType, 16), bytes.toString('hex'))) : undefined
}

/** `{ "$timestamp": { "t": …, "i": … } }`, of unsigned integers of 32 bits. */
function timestamp(value: unknown): unknown {
  const { t, i } = membersOf(value)
  if (!isUint32(t) || !isUint32(i)) return undefined
  const content = String((BigInt(t) << 32n) + BigInt(i))
  return made({ type: 'timestamp', content })
}

function membersOf(value: unknown): Readonly<Partial<Record<string, unknown>>> {
  return isPlainObject(value) ? (value as Record<string, unknown>) : {}
}

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32
}

/** `{ "$regularExpression": { "pattern": …, "options": … } }`. */
function regularExpression(value: unknown): unknown {
  const { pattern, options } = membersOf(value)
  return typeof pattern === 'string' && typeof options === 'string'
    ? made(regex(pattern, options))
    : undefined
}

function extreme(type: 'minKey' | 'maxKey'): Conversion {
  return value => (value === 1 ? made({ type, content: '' }) : undefined)
}

/** The types of Extended JSON, which exported rules use for values that JSON does not have. */
export const EXTENDED_JSON: ReadonlyMap<string, Conversion> = new Map<string, Conversion>([
  ['$oid', value => (typeof value === 'string' ? made(objectId(value)) : undefined)],
  ['$uuid', stringToUuid],
  ['$date', date],
  ['$numberInt', number],
  ['$numberLong', number],
  ['$numberDouble', value => (typeof value === 'string' && value.trim() !== '' ? double(value) : undefined)],
  ['$numberDecimal', number],
  ['$binary', binaryJson],
  ['$timestamp', timestamp],
  ['$regularExpression', regularExpression],
  ['$minKey', extreme('minKey')],
  ['$maxKey', extreme('maxKey')],
])

/** The double that is nearest to a decimal text. */
function double(value: string): unknown {
  const content = Number(value)
  return Number.isNaN(content) && value !== 'NaN' ? undefined : content
}
