import { types } from 'node:util'
import type { KeyObject } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { isThenable } from '../util/call-at-once.js'
import type { BsonLibrary } from '../mongo/team-bson.js'
import { isPlainFieldName } from '../util/field-names.js'
import { isObject } from '../util/plain-object.js'

/** The advice for a value that cannot hold options. */
export const AN_OBJECT = 'give an object of options'

export const DAY_SECONDS = 86_400
export const YEAR_SECONDS = 365 * DAY_SECONDS

const NOT_EMPTY = 'write a text that is not empty'

/** A text that is not empty. */
export const name = v.pipe(v.string(NOT_EMPTY), v.nonEmpty(NOT_EMPTY))

/** Parameters of OAuth that requests of the routes may have beside the refresh token. `token` is the refresh token itself. */
const OAUTH_PARAMETERS = ['grant_type', 'scope', 'token_type_hint', 'client_id', 'client_secret']

/** The name of the field with the refresh token. */
export const refreshTokenField = v.pipe(
  name,
  v.check(
    field => !OAUTH_PARAMETERS.includes(field),
    'this name has another meaning in OAuth 2.0: write a name such as "refreshToken"',
  ),
)

/** A name that can stand in a quoted string of a header as it is. */
export const printable = v.pipe(
  name,
  v.regex(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, 'write printable ASCII without quotes or backslashes'),
)

/** A boolean. Other truthy or falsy values are probably a mistake. */
export const trueOrFalse = v.boolean('write true or false')

/** A function of the team's. Its parameters are not known at run time. */
export const callback = v.custom<(...args: never[]) => unknown>(
  value => typeof value === 'function',
  'write a function',
)

/** The signal of an `AbortController`, of Node or of jsdom. */
export const abortSignal = v.custom<AbortSignal>(
  value =>
    isObject(value) &&
    typeof Reflect.get(value, 'aborted') === 'boolean' &&
    typeof Reflect.get(value, 'addEventListener') === 'function' &&
    typeof Reflect.get(value, 'removeEventListener') === 'function',
  'give the signal of an AbortController',
)

/** A secret of any kind. Its strength is checked when the key is made of it. */
export const secret = v.custom<string | Uint8Array | KeyObject>(
  value => typeof value === 'string' || isObject(value),
  'write text, bytes or a KeyObject',
)

/** A Standard Schema. In some libraries a schema is a function. */
export const standardSchema = v.custom<StandardSchemaV1>(
  value => (isObject(value) || typeof value === 'function') && '~standard' in value,
  issue =>
    isMongooseSchema(issue.input)
      ? 'this is a mongoose schema, which can only be used by mongoose: write a Standard Schema (zod, valibot, arktype…), or leave the option out'
      : 'write a Standard Schema: zod, valibot, arktype…',
)

function isMongooseSchema(value: unknown): boolean {
  return isObject(value) && 'instanceOfSchema' in value
}

/** The BSON library of a driver. */
export const bson = v.custom<BsonLibrary>(
  value => isObject(value) && ['serialize', 'deserialize', 'EJSON', 'ObjectId'].every(name => name in value),
  "write the BSON that your driver exports, e.g. import { BSON } from 'mongodb', or mongoose.mongo.BSON",
)

/** The formats of Extended JSON. */
export const EXTENDED_JSON_FORMATS = ['relaxed', 'canonical'] as const

/** The option `extendedJson`, of an instance and of its routes. */
export const extendedJson = v.union(
  [v.literal(false), v.picklist(EXTENDED_JSON_FORMATS)],
  'write "relaxed", "canonical" or false',
)

const TOP_LEVEL_FIELD = 'write the name of a top-level field'

/** The name of a field of a document, without a path or an operator. */
export const topLevelField = v.pipe(v.string(TOP_LEVEL_FIELD), v.check(isPlainFieldName, TOP_LEVEL_FIELD))

/** A whole number within bounds. `says` is the advice for other values. */
export function whole(
  min: number,
  max: number,
  says = `write a whole number from ${min} to ${max}`,
): v.GenericSchema<number> {
  const isWithin = (value: number): boolean => Number.isSafeInteger(value) && value >= min && value <= max
  return v.pipe(v.number(says), v.check(isWithin, says))
}

/** The most sessions of a user, or `false`. A login looks at the sessions beyond it, so the number has a bound. */
export const maxSessions = v.custom<number | false>(
  value => value === false || (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= 10_000),
  'write a whole number from 1 to 10000, or false',
)

/** Whether a value can hold options: a plain object or an instance of a class, and no value of another kind. */
export function isOptionsObject(value: unknown): value is object {
  if (!isObject(value) || Array.isArray(value) || isThenable(value)) return false
  return !NO_OPTIONS.some(isOfKind => isOfKind(value))
}

/** Objects whose entries are no members, or whose members cannot be options. */
const NO_OPTIONS: readonly ((value: unknown) => boolean)[] = [
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isDate,
  types.isRegExp,
  types.isAnyArrayBuffer,
  types.isArrayBufferView,
  types.isBoxedPrimitive,
]
