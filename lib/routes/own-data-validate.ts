import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CustomUserDataError } from '../errors.js'
import { callSchema, toPaths } from '../util/call-schema.js'
import { showPath } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { isSameInJson, keepTypes } from '../writing/kept-types.js'
import type { FieldSchema, FieldSchemas } from './object-schemas.js'
import type { RequestBody } from './request-body.js'

/** The schemas of `ownData()`. */
export interface ValidationRules {
  readonly fields: ReadonlySet<string>
  readonly fieldSchemas: FieldSchemas
  readonly schema: StandardSchemaV1 | undefined
  /** The values as a load would give them if they were stored. */
  readonly toLoaded: (values: RequestBody) => RequestBody
}

/** The fields that a request concerns, by name. */
export interface RequestedFields {
  /** New values of a client as plain JSON. */
  readonly sent: RequestBody
  /** The same values with the types that the client has stated. */
  readonly stated: RequestBody
  /** Stored values that the request does not change, as handlers get them. */
  readonly kept: RequestBody
  /** Whether the request must name every field that is required. A `PATCH` need not, because it cannot remove a field. */
  readonly requiresAllFields: boolean
  /** Whether a schema of all fields may leave out a field that the client has sent. In a `PATCH` that would delete the stored value. */
  readonly mayDropFields: boolean
}

/** The most paths that a refusal names. */
const MAX_NAMED = 10

/**
 * Runs the schemas and returns the values to store, by field name. Fields that do not change are not in the result. `undefined`
 * removes a field. Where a schema returns a value of the client without a change, the value keeps the type that the client has
 * stated.
 *
 * @throws `custom_data_refused` if a schema refuses; `callback_failed` if a schema throws or refuses its own result
 */
export async function validate(requested: RequestedFields, rules: ValidationRules): Promise<RequestBody> {
  const { fields, fieldSchemas, schema, toLoaded } = rules
  const single = await validateFields(requested, fields, fieldSchemas)
  if (!schema) return keepStated(single, requested)
  const validated = keepStated(await validateAll(schema, single, requested, fields), requested)
  const { kept } = requested
  const changed = Object.entries(defined(validated)).filter(([name, value]) => value !== kept[name])
  const stored = defined({ ...kept, ...validated, ...toLoaded(Object.fromEntries(changed)) })
  await requireAcceptsOwnOutput(schema, stored, requested)
  return validated
}

/** The new values, each after its schema, and what schemas add for missing fields. */
async function validateFields(
  { sent, kept, requiresAllFields }: RequestedFields,
  fields: ReadonlySet<string>,
  schemas: FieldSchemas,
): Promise<RequestBody> {
  const refused: string[][] = []
  const validated: [string, unknown][] = []
  for (const name of fields) {
    const field = schemas.get(name)
    const isSent = Object.hasOwn(sent, name)
    if (!isSent && Object.hasOwn(kept, name)) continue
    if (!field) {
      if (isSent) validated.push([name, sent[name]])
      continue
    }
    const result = await (isSent ? check(field, name, sent[name]) : applyDefault(field, name))
    if (!result.issues) validated.push([name, result.value])
    else if (isSent || requiresAllFields) {
      const paths = toPaths(result.issues)
      refused.push(...paths.map(path => [name, ...path]))
    }
  }
  if (refused.length > 0) throw refusal(refused)
  return Object.fromEntries(validated)
}

function check({ schema }: FieldSchema, name: string, value: unknown) {
  return callSchema(`ownData's schema of ${showPath([name])}`, schema, value)
}

/** The value that a schema gives to a missing field, or its refusal. */
async function applyDefault(field: FieldSchema, name: string): Promise<StandardSchemaV1.Result<unknown>> {
  const given = field.whenMissing?.()
  // The schema may convert its default, as it converts a value that is sent.
  return field.whenMissing && given === undefined ? { value: undefined } : check(field, name, given)
}

/** What a schema of all fields makes of the new and the stored fields. Stored fields that it leaves out are left alone. */
async function validateAll(
  schema: StandardSchemaV1,
  single: RequestBody,
  { sent, kept, requiresAllFields, mayDropFields }: RequestedFields,
  fields: ReadonlySet<string>,
): Promise<RequestBody> {
  const result = await callSchema("ownData's schema", schema, { ...kept, ...defined(single) })
  if (result.issues) throw refusal(toPaths(result.issues))
  if (!isPlainObject(result.value)) {
    throw new CustomUserDataError('callback_failed', "ownData's schema did not return a plain object.")
  }
  const output = result.value as RequestBody
  const isDropped = (name: string) => single[name] !== undefined && !Object.hasOwn(output, name)
  const dropped = mayDropFields ? [] : Object.keys(sent).filter(isDropped)
  if (dropped.length > 0) throw refusal(dropped.map(name => [name]))
  const names = [...fields].filter(
    name =>
      Object.hasOwn(output, name) ||
      Object.hasOwn(single, name) ||
      (requiresAllFields && Object.hasOwn(kept, name)),
  )
  return Object.fromEntries(names.map(name => [name, Object.hasOwn(output, name) ? output[name] : undefined]))
}

/**
 * A schema that refuses what is stored would refuse every later change of the user. The schema is to blame, unless the client
 * has stated a type: then the schema has seen the JSON of a value, and a value of another type would be stored.
 */
async function requireAcceptsOwnOutput(
  schema: StandardSchemaV1,
  stored: RequestBody,
  { sent, stated }: RequestedFields,
): Promise<void> {
  const { issues } = await callSchema("ownData's schema", schema, stored)
  if (!issues) return
  const paths = toPaths(issues)
  if (sent !== stated) throw refusal(paths)
  const message =
    `ownData's schema refuses what it returned itself: ${namesOf(paths)}. Then the user could change nothing any more, so ` +
    'nothing was stored. Let the schema accept stored values too, or give the field a schema of its own by the option "fields".'
  throw new CustomUserDataError('callback_failed', message)
}

function defined(values: RequestBody): RequestBody {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** Gives values that schemas have not changed the types that the client has stated. */
function keepStated(values: RequestBody, { sent, stated }: RequestedFields): RequestBody {
  if (sent === stated) return values
  const rules = { isSame: isSameInJson, mayChangeTypes: true }
  const kept = Object.entries(values).map(([name, value]) => {
    if (value === undefined || !Object.hasOwn(stated, name)) return [name, value] as const
    return [name, keepTypes({ plain: sent[name], exact: stated[name] }, value, { name }, rules)] as const
  })
  return Object.fromEntries(kept)
}

function refusal(paths: readonly string[][]): CustomUserDataError {
  return new CustomUserDataError('custom_data_refused', `The schema refuses: ${namesOf(paths)}.`)
}

function namesOf(paths: readonly string[][]): string {
  const shown = paths.map(path => (path.length === 0 ? 'the fields together' : showPath(path)))
  return [...new Set(shown)].slice(0, MAX_NAMED).join(', ')
}
