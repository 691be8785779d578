import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { parseArgument } from '../options/arguments.js'
import { wrong } from '../options/explain.js'
import { optionsObject } from '../options/options-object.js'
import {
  AN_OBJECT,
  extendedJson,
  standardSchema,
  topLevelField,
  trueOrFalse,
} from '../options/value-schemas.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { pathsOverlap, showPath } from '../util/field-names.js'
import { isObject } from '../util/plain-object.js'
import { fieldNamesOf, keepsOtherFields, splitSchema } from './object-schemas.js'
import type { FieldSchemas } from './object-schemas.js'

/** The names of the top-level fields of custom data, of each type of a union; any name if its type states none. */
type FieldOf<CustomData> = CustomData extends unknown
  ? [keyof CustomData] extends [never]
    ? string
    : Extract<keyof CustomData, string>
  : never

/** Options of `ownData()`. */
export interface OwnDataOptions<CustomData = object> {
  /**
   * The top-level fields that users may read and write of their own document: their names, or an object with a Standard Schema
   * for each. `_id` and the user id field are refused.
   *
   * A field with a schema is checked alone. The schema gets the JSON that a client has sent, and its output is stored. It never
   * gets a stored value, so it may turn a text into a date. If a field is missing, the schema gets `undefined`: it can return a
   * default, and by refusing `undefined` it requires the field in a `PUT` and in a new document. Field schemas of zod and valibot
   * are in the `shape` and the `entries` of an object schema.
   *
   * @default the fields of `schema`, if it is an object schema of zod, valibot or arktype
   * @example ['language', 'timezone']
   * @example
   * {
   *   language: z.enum(['en', 'de']),
   *   birthday: z.iso.date().transform(text => new Date(text)).optional(),
   * }
   */
  readonly fields?:
    | readonly FieldOf<CustomData>[]
    | Readonly<Partial<Record<FieldOf<CustomData>, StandardSchemaV1>>>
    | undefined
  /**
   * A Standard Schema of the object of all fields.
   *
   * An object schema of zod, valibot or arktype without rules of its own is taken apart, so that each field is checked alone by
   * its own schema, as if you had given `fields`.
   *
   * Any other schema, such as an object with a rule across its fields, gets all fields as they are after the change: what a
   * client has sent as JSON or as the field's schema returned it, and other fields as they are stored, so a date as a `Date`. What it
   * returns or adds within `fields` is stored. It has to accept what it has returned, because it gets that again with the next
   * change. If it does not, nothing is stored, and the answer is 500 `callback_failed`.
   *
   * If a schema refuses, the answer is 422 `custom_data_refused`, which names the fields.
   *
   * @default any JSON is stored
   * @example
   * z.object({ start: z.number(), end: z.number() }).refine(({ start, end }) => start <= end)
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
   * `canonical` states the type of each number, and `relaxed` writes plain JSON numbers. With `false`, `ownData()` takes plain
   * JSON alone: another value for a stored date needs a schema that returns a date.
   *
   * @default the option `extendedJson` of the instance, which is `false` by default
   */
  readonly extendedJson?: ExtendedJsonFormat | false | undefined
}

/** Complete options of `ownData()`. */
export interface OwnDataConfig {
  readonly fields: ReadonlySet<string>
  /** The schemas of single fields. */
  readonly fieldSchemas: FieldSchemas
  /** A schema of all fields together. */
  readonly schema: StandardSchemaV1 | undefined
  readonly upsert: boolean
  readonly extendedJson: ExtendedJsonFormat | false
}

const NAME_FIELDS = 'name the fields that users may write, e.g. ["language", "timezone"]'

/** Completes the options, or throws an `OptionError`. */
export function parseOwnDataOptions(
  given: unknown,
  instance: { readonly userIdField: string; readonly extendedJson: ExtendedJsonFormat | false },
): OwnDataConfig {
  const names = fieldNames(instance.userIdField)
  const options = parseArgument(
    'ownData()',
    optionsObject(AN_OBJECT, {
      fields: v.optional(v.lazy(value => (isFieldSchemas(value) ? fieldSchemas : names))),
      schema: v.optional(standardSchema),
      upsert: v.optional(trueOrFalse, false),
      extendedJson: v.optional(extendedJson, instance.extendedJson),
    }),
    given,
  )
  const { fields: named, schema, upsert } = options
  const parts = schema && splitSchema(schema)
  const byField: FieldSchemas = Array.isArray(named) || !named ? new Map() : toMap(named)
  const fields = Array.isArray(named) ? named : named ? Object.keys(named) : fieldNamesOf(schema)
  // The names of schemas have to pass the same check as names in a list.
  const checked = parseArgument('ownData()', optionsObject(AN_OBJECT, { fields: names }), { fields }).fields
  const unknown = parts && checked.find(name => !parts.has(name))
  if (schema && unknown !== undefined) requireKeepsOther(schema, unknown)
  // A field that has a schema in both options is checked by both, one after the other, so the whole schema stays whole.
  const isSplit = parts !== undefined && unknown === undefined && byField.size === 0
  return {
    fields: new Set(checked),
    fieldSchemas: isSplit ? parts : byField,
    schema: isSplit ? undefined : schema,
    upsert,
    extendedJson: options.extendedJson,
  }
}

/** Users must not write `_id` or their user id: another id would give the document to another user. */
function fieldNames(userIdField: string): v.GenericSchema<string[]> {
  const isWritable = (name: string): boolean => name !== '_id' && !pathsOverlap(name, userIdField)
  const field = v.pipe(
    topLevelField,
    v.check(isWritable, 'this field identifies the user, so users must not write it'),
  )
  return v.pipe(v.array(field, NAME_FIELDS), v.minLength(1, NAME_FIELDS))
}

const fieldSchemas = v.record(v.string(), standardSchema)

/** Whether the value is an object of schemas by field. A schema of an object is none: it belongs into the option `schema`. */
function isFieldSchemas(value: unknown): boolean {
  return isObject(value) && !Array.isArray(value) && !('~standard' in value)
}

function toMap(schemas: Readonly<Record<string, StandardSchemaV1>>): FieldSchemas {
  return new Map(Object.entries(schemas).map(([name, schema]) => [name, { schema }]))
}

/** An object schema that drops or refuses a field that it does not name would make the field impossible to write. */
function requireKeepsOther(schema: StandardSchemaV1, unknown: string): void {
  if (keepsOtherFields(schema)) return
  throw wrong(
    `ownData(): option "fields": ${showPath([unknown])} is not a field of "schema". Add it there, or leave it out here.`,
  )
}
