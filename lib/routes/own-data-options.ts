import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isPlainFieldName, overlaps } from '../custom-data/field-names.js'
import { OptionError } from '../errors.js'

/** Options of `ownData()`. */
export interface OwnDataOptions {
  /** The top-level fields that users may read and write of their own document. Default: those of the schema, where it
   *  tells them, as those of zod and valibot do. */
  readonly fields?: readonly string[] | undefined
  /** A Standard Schema of these fields as they are after a change: a `PATCH` is checked together with what is there. It
   *  gets plain JSON; what it makes of it is stored. */
  readonly schema?: StandardSchemaV1 | undefined
  /** Make a document for a user who has none, instead of answering 404. Default false. */
  readonly upsert?: boolean | undefined
}

/** Complete configuration of `ownData()`. */
export interface OwnDataConfig {
  readonly fields: readonly string[]
  readonly schema: StandardSchemaV1 | undefined
  readonly upsert: boolean
}

const KNOWN = ['fields', 'schema', 'upsert']

/** Completes the options, or throws an {@link OptionError} that says what to write instead. */
export function parseOwnDataOptions(given: unknown, userIdField: string): OwnDataConfig {
  const options = (given ?? {}) as OwnDataOptions
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw wrong(`there is no option "${name}"`)
  }
  const { schema, upsert = false } = options
  if (schema !== undefined && !isStandardSchema(schema))
    throw wrong('option "schema": give a Standard Schema')
  if (typeof upsert !== 'boolean') throw wrong('option "upsert": write true or false')
  const fields: unknown = options.fields ?? fieldsOf(schema)
  if (!Array.isArray(fields) || fields.length === 0) {
    throw wrong('option "fields": name the fields that users may write, as ["language", "timezone"]')
  }
  for (const field of fields as unknown[]) requireWritable(field, userIdField)
  return { fields: [...new Set(fields as string[])], schema, upsert }
}

/** Of some libraries a schema is a function. */
function isStandardSchema(value: unknown): boolean {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') && '~standard' in value
  )
}

/** No standard names a schema's fields; zod has them in `shape`, valibot in `entries`. */
function fieldsOf(schema: StandardSchemaV1 | undefined): string[] | undefined {
  const { shape, entries } = (schema ?? {}) as { readonly shape?: unknown; readonly entries?: unknown }
  const members = [shape, entries].find(value => typeof value === 'object' && value !== null)
  return members && Object.keys(members)
}

function requireWritable(field: unknown, userIdField: string): void {
  if (typeof field !== 'string' || !isPlainFieldName(field)) {
    throw wrong(`option "fields": ${JSON.stringify(field)} is no name of a top-level field`)
  }
  if (field === '_id' || overlaps(field, userIdField)) {
    throw wrong(`option "fields": "${field}" is what the user is known by, and not for the user to write`)
  }
}

function wrong(message: string): OptionError {
  return new OptionError(`ownData: ${message}.`)
}
