import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { explainUnsafeValue, pathsOverlap, showPath } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { OwnView } from '../writing/own-fields.js'
import type { FieldChange } from '../writing/dry-run.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import { parseArgument } from '../options/arguments.js'
import { optionsObject } from '../options/options-object.js'
import { AN_OBJECT, standardSchema, topLevelField, trueOrFalse } from '../options/value-schemas.js'
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
}

/** Complete options of `ownData()`. */
export interface OwnDataConfig {
  readonly fields: readonly string[]
  readonly schema: StandardSchemaV1 | undefined
  readonly upsert: boolean
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
    }),
    given,
  )
  const named =
    options.fields ??
    parseArgument('ownData()', optionsObject(AN_OBJECT, { fields }), { fields: fieldsOf(options.schema) })
      .fields
  return { fields: [...new Set(named)], schema: options.schema, upsert: options.upsert }
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

/** Throws `invalid_request` unless a body has only allowed fields, with values that MongoDB cannot take for operators. */
export function requireAllowed(body: RequestBody, { fields }: OwnDataConfig): void {
  for (const [name, value] of Object.entries(body)) {
    if (!fields.includes(name)) throw invalid(`${showPath([name])} is no field that you may change.`)
    const fault = explainUnsafeValue(value, [name])
    if (fault !== undefined) throw invalid(`${fault}.`)
  }
}

/** The fields that a request sets and removes. Rejects with `custom_data_refused` if the schema refuses the result. */
export async function toFieldChange(
  method: OwnDataMethod,
  body: RequestBody,
  view: OwnView,
  { fields, schema }: OwnDataConfig,
): Promise<FieldChange> {
  const touched = method === 'PUT' ? fields : Object.keys(body)
  const wanted = method === 'PUT' ? body : { ...toJson(view), ...body }
  const accepted = schema ? await validate(schema, wanted) : wanted
  const isThere = (name: string): boolean => Object.hasOwn(accepted, name) && accepted[name] !== undefined
  return {
    set: Object.fromEntries(touched.filter(isThere).map(name => [name, accepted[name]])),
    unset: touched.filter(name => !isThere(name)),
  }
}

/** The fields as plain JSON, because the schema describes the data that clients send and get. */
function toJson(view: OwnView): RequestBody {
  return JSON.parse(JSON.stringify(view)) as RequestBody
}

async function validate(schema: StandardSchemaV1, value: unknown): Promise<RequestBody> {
  const result = await callSchema(schema, value)
  if (result.issues) throw refused(result.issues)
  if (isPlainObject(result.value)) return result.value as RequestBody
  throw new CustomUserDataError('callback_failed', "ownData's schema did not return a plain object.")
}

async function callSchema(
  schema: StandardSchemaV1,
  value: unknown,
): Promise<StandardSchemaV1.Result<unknown>> {
  try {
    return await schema['~standard'].validate(value)
  } catch (cause) {
    throw toCallbackError("ownData's schema", cause)
  }
}

/** The error names only paths, because messages of a schema can quote stored data. */
function refused(issues: readonly StandardSchemaV1.Issue[]): CustomUserDataError {
  const paths = issues.map(({ path = [] }) => showPath(path.map(toKey))).slice(0, MAX_NAMED)
  const message = `The schema refuses: ${[...new Set(paths)].join(', ')}.`
  return new CustomUserDataError('custom_data_refused', message)
}

function toKey(segment: PropertyKey | StandardSchemaV1.PathSegment): string {
  return String(typeof segment === 'object' ? segment.key : segment)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
