import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { pathsOverlap } from '../util/field-names.js'
import { parseArgument } from '../options/arguments.js'
import { members } from '../options/members.js'
import { AN_OBJECT, standardSchema, topLevelField, trueOrFalse } from '../options/values.js'

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

const NAME_FIELDS = 'name the fields that users may write, as ["language", "timezone"]'

/** Completes the options, or throws an `OptionError`. */
export function parseOwnDataOptions(given: unknown, userIdField: string): OwnDataConfig {
  const fields = fieldList(userIdField)
  const options = parseArgument(
    'ownData()',
    members(AN_OBJECT, {
      fields: v.optional(fields),
      schema: v.optional(standardSchema),
      upsert: v.optional(trueOrFalse, false),
    }),
    given,
  )
  const named =
    options.fields ??
    parseArgument('ownData()', members(AN_OBJECT, { fields }), { fields: fieldsOf(options.schema) }).fields
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

/** No standard names a schema's fields; zod has them in `shape`, valibot in `entries`. */
function fieldsOf(schema: StandardSchemaV1 | undefined): string[] | undefined {
  const { shape, entries } = (schema ?? {}) as { readonly shape?: unknown; readonly entries?: unknown }
  const members = [shape, entries].find(value => typeof value === 'object' && value !== null)
  return members && Object.keys(members)
}
