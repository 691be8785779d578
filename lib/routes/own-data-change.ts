import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { explainUnsafeValue, pathsOverlap, showPath } from '../util/field-names.js'
import { callSchema, toPath } from '../util/call-schema.js'
import { isPlainObject } from '../util/plain-object.js'
import type { OwnView } from '../writing/own-fields.js'
import type { FieldChange } from '../writing/dry-run.js'
import { isSameInJson, keepTypes } from '../writing/kept-types.js'
import type { StoredValue } from '../writing/kept-types.js'
import { CustomUserDataError } from '../errors.js'
import { parseArgument } from '../options/arguments.js'
import { optionsObject } from '../options/options-object.js'
import { AN_OBJECT, standardSchema, topLevelField, trueOrFalse } from '../options/value-schemas.js'
import type { OwnDataFormat } from './own-data-formats.js'
import type { RequestBody } from './request-body.js'

/** Options of `ownData()`. */
export interface OwnDataOptions {
  /**
   * The top-level fields that users may read and write of their own document. `_id` and the user id field are refused.
   *
   * @default the fields of `schema`, if it is an object schema of zod or valibot
   */
  readonly fields?: readonly string[] | undefined
  /**
   * A Standard Schema of these fields as they are after a change, so a `PATCH` is checked together with the stored fields. It
   * gets plain JSON, and its output is stored. If it refuses the fields, the answer is 422 `custom_data_refused`.
   *
   * @default any JSON is stored
   */
  readonly schema?: StandardSchemaV1 | undefined
  /**
   * Whether to create a document for a user who has none. Otherwise the answer is 404 `custom_data_not_found`.
   *
   * @default false
   */
  readonly upsert?: boolean | undefined
  /**
   * Lets clients also read and write MongoDB Extended JSON, by the content type `application/ejson`, or by this type in
   * `Accept` for a `GET`. Then they can store values of any type that JSON does not have, such as dates and ObjectIds.
   * `canonical` states the type of each number, and `relaxed` writes plain JSON numbers.
   *
   * @default undefined, which takes plain JSON alone: another value for a stored date needs a `schema` that returns a date
   */
  readonly extendedJson?: 'relaxed' | 'canonical' | undefined
}

/** Complete options of `ownData()`. */
export interface OwnDataConfig {
  readonly fields: ReadonlySet<string>
  readonly schema: StandardSchemaV1 | undefined
  readonly upsert: boolean
  readonly extendedJson: 'relaxed' | 'canonical' | undefined
}

const NAME_FIELDS = 'name the fields that users may write, e.g. ["language", "timezone"]'

/** Completes the options, or throws an `OptionError`. */
export function parseOwnDataOptions(given: unknown, userIdField: string): OwnDataConfig {
  const fields = fieldList(userIdField)
  const options = parseArgument(
    'ownData()',
    optionsObject(AN_OBJECT, {
      fields: v.optional(fields),
      schema: v.optional(standardSchema),
      upsert: v.optional(trueOrFalse, false),
      extendedJson: v.optional(v.picklist(['relaxed', 'canonical'], 'write "relaxed" or "canonical"')),
    }),
    given,
  )
  const named =
    options.fields ??
    parseArgument('ownData()', optionsObject(AN_OBJECT, { fields }), { fields: fieldsOf(options.schema) })
      .fields
  const { schema, upsert, extendedJson } = options
  return { fields: new Set(named), schema, upsert, extendedJson }
}

/** Users must not write `_id` or their user id: another id would give the document to another user. */
function fieldList(userIdField: string): v.GenericSchema<string[]> {
  const isWritable = (name: string): boolean => name !== '_id' && !pathsOverlap(name, userIdField)
  const field = v.pipe(
    topLevelField,
    v.check(isWritable, 'this field identifies the user, so users must not write it'),
  )
  return v.pipe(v.array(field, NAME_FIELDS), v.minLength(1, NAME_FIELDS))
}

/** Standard Schema does not tell a schema's fields. zod has them in `shape`, and valibot in `entries`. */
function fieldsOf(schema: StandardSchemaV1 | undefined): string[] | undefined {
  const { shape, entries } = (schema ?? {}) as { readonly shape?: unknown; readonly entries?: unknown }
  const members = [shape, entries].find(value => typeof value === 'object' && value !== null)
  return members && Object.keys(members)
}

/** `PATCH` changes the fields of the body, and `PUT` replaces all allowed fields. */
export type OwnDataMethod = 'PATCH' | 'PUT'

/** The most paths that a refusal names. */
const MAX_NAMED = 10

/**
 * Names in the JSON that clients get of decimals, timestamps and references. A client may send these values back, so whether
 * they are stored values is decided when these have been read.
 */
const NAMES_OF_BSON = new Set(['$numberDecimal', '$timestamp', '$ref', '$id', '$db'])

/** The names of the fields in a body that users may not write. */
export function refusedFields(body: RequestBody, { fields }: Pick<OwnDataConfig, 'fields'>): string[] {
  return Object.keys(body).filter(name => !fields.has(name))
}

/**
 * The values of a body. Throws `invalid_request` unless it has only allowed fields, with values that MongoDB cannot take for
 * operators.
 */
export function toAllowedValues(
  body: RequestBody,
  { fields }: OwnDataConfig,
  format: OwnDataFormat,
): RequestBody {
  const [refused] = refusedFields(body, { fields })
  if (refused !== undefined) throw invalid(`${showPath([refused])} is no field that you may change.`)
  const values = format.toValues(body)
  for (const [name, value] of Object.entries(values)) {
    const fault = explainUnsafeValue(value, [name], NAMES_OF_BSON)
    if (fault !== undefined) throw invalid(`${fault}.`)
  }
  return values
}

/**
 * The fields that a request sets and removes. A field that has its value already is neither.
 *
 * @throws `custom_data_refused` if the schema refuses the result; `type_would_change`; `invalid_request`
 */
export async function toFieldChange(
  method: OwnDataMethod,
  values: RequestBody,
  view: OwnView | undefined,
  { fields, schema }: OwnDataConfig,
  format: OwnDataFormat,
): Promise<FieldChange> {
  const touched = method === 'PUT' ? [...fields] : Object.keys(values)
  const accepted = schema ? await accept(schema, method, values, view, format) : values
  const set: Record<string, unknown> = {}
  const unset: string[] = []
  for (const name of touched) {
    const stored = view && toStored(view.plain, view.exact, name)
    const value = Object.hasOwn(accepted, name) ? accepted[name] : undefined
    if (value !== undefined) {
      const kept = keepTypes(stored, value, { name }, format.rules)
      if (!stored || kept !== stored.exact) set[name] = kept
    } else if (stored) unset.push(name)
  }
  return { set, unset }
}

/**
 * What the schema makes of the fields as they would be. It gets plain JSON, which it describes. Where it returns a value of
 * the client without a change, the value keeps the type that the client has stated.
 */
async function accept(
  schema: StandardSchemaV1,
  method: OwnDataMethod,
  values: RequestBody,
  view: OwnView | undefined,
  format: OwnDataFormat,
): Promise<RequestBody> {
  const plain = format.toPlain(values)
  const sent = toJson(plain)
  const accepted = await validate(
    schema,
    method === 'PUT' || !view ? sent : { ...toJson(view.plain), ...sent },
  )
  if (plain === values) return accepted
  const stated = Object.entries(accepted).map(([name, value]) => {
    const rules = { isSame: isSameInJson, mayChangeTypes: true }
    return [name, keepTypes(toStored(plain, values, name), value, { name }, rules)] as const
  })
  return Object.fromEntries(stated)
}

function toStored(plain: RequestBody, exact: RequestBody, name: string): StoredValue | undefined {
  return Object.hasOwn(exact, name) ? { plain: plain[name], exact: exact[name] } : undefined
}

function toJson(values: RequestBody): RequestBody {
  return JSON.parse(JSON.stringify(values)) as RequestBody
}

async function validate(schema: StandardSchemaV1, value: unknown): Promise<RequestBody> {
  const result = await callSchema("ownData's schema", schema, value)
  if (result.issues) throw refused(result.issues)
  if (isPlainObject(result.value)) return result.value as RequestBody
  throw new CustomUserDataError('callback_failed', "ownData's schema did not return a plain object.")
}

function refused(issues: readonly StandardSchemaV1.Issue[]): CustomUserDataError {
  const paths = issues.map(issue => showPath(toPath(issue))).slice(0, MAX_NAMED)
  const message = `The schema refuses: ${[...new Set(paths)].join(', ')}.`
  return new CustomUserDataError('custom_data_refused', message)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
