import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CustomUserDataError } from '../errors.js'
import { callSchema, toPaths } from '../util/call-schema.js'
import { showPath } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { isSameInJson, keepTypes } from '../writing/kept-types.js'
import type { FieldSchema, FieldSchemas } from './object-schemas.js'
import type { RequestBody } from './request-body.js'

/** The schemas of `ownData()`. */
export interface AcceptRules {
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
  readonly isWhole: boolean
}

/** The most paths that a refusal names. */
const MAX_NAMED = 10

/**
 * What the schemas make of the fields: the values to store by name, without the fields that they leave alone. `undefined`
 * removes a field. Where a schema returns a value of the client without a change, the value keeps the type that the client has
 * stated.
 *
 * @throws `custom_data_refused` if a schema refuses; `callback_failed` if a schema throws or refuses its own result
 */
export async function accept(requested: RequestedFields, rules: AcceptRules): Promise<RequestBody> {
  const { fields, fieldSchemas, schema, toLoaded } = rules
  const single = await acceptFields(requested, fields, fieldSchemas)
  if (!schema) return keepStated(single, requested)
  const accepted = keepStated(await acceptAll(schema, single, requested, fields), requested)
  const { kept } = requested
  const changed = Object.entries(defined(accepted)).filter(([name, value]) => value !== kept[name])
  const stored = defined({ ...kept, ...accepted, ...toLoaded(Object.fromEntries(changed)) })
  await requireRepeatable(schema, stored, requested)
  return accepted
}

/** The new values, each after its schema, and what schemas add for missing fields. */
async function acceptFields(
  { sent, kept, isWhole }: RequestedFields,
  fields: ReadonlySet<string>,
  schemas: FieldSchemas,
): Promise<RequestBody> {
  const refused: string[][] = []
  const accepted: [string, unknown][] = []
  for (const name of fields) {
    const field = schemas.get(name)
    const isSent = Object.hasOwn(sent, name)
    if (!isSent && Object.hasOwn(kept, name)) continue
    if (!field) {
      if (isSent) accepted.push([name, sent[name]])
      continue
    }
    const result = await (isSent ? check(field, name, sent[name]) : complete(field, name))
    if (!result.issues) accepted.push([name, result.value])
    else if (isSent || isWhole) {
      const paths = toPaths(result.issues)
      refused.push(...paths.map(path => [name, ...path]))
    }
  }
  if (refused.length > 0) throw refusal(refused)
  return Object.fromEntries(accepted)
}

function check({ schema }: FieldSchema, name: string, value: unknown) {
  return callSchema(`ownData's schema of ${showPath([name])}`, schema, value)
}

/** What a schema says to a missing field. */
async function complete(field: FieldSchema, name: string): Promise<StandardSchemaV1.Result<unknown>> {
  return field.whenMissing ? { value: field.whenMissing() } : check(field, name, undefined)
}

/** What a schema of all fields makes of the new and the stored fields. Stored fields that it leaves out are left alone. */
async function acceptAll(
  schema: StandardSchemaV1,
  single: RequestBody,
  { kept, isWhole }: RequestedFields,
  fields: ReadonlySet<string>,
): Promise<RequestBody> {
  const result = await callSchema("ownData's schema", schema, { ...kept, ...defined(single) })
  if (result.issues) throw refusal(toPaths(result.issues))
  if (!isPlainObject(result.value)) {
    throw new CustomUserDataError('callback_failed', "ownData's schema did not return a plain object.")
  }
  const output = result.value as RequestBody
  const names = [...fields].filter(
    name =>
      Object.hasOwn(output, name) || Object.hasOwn(single, name) || (isWhole && Object.hasOwn(kept, name)),
  )
  return Object.fromEntries(names.map(name => [name, Object.hasOwn(output, name) ? output[name] : undefined]))
}

/**
 * A schema that refuses what is stored would refuse every later change of the user. The schema is to blame, unless the client
 * has stated a type: then the schema has seen the JSON of a value, and a value of another type would be stored.
 */
async function requireRepeatable(
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
function keepStated(accepted: RequestBody, { sent, stated }: RequestedFields): RequestBody {
  if (sent === stated) return accepted
  const rules = { isSame: isSameInJson, mayChangeTypes: true }
  const values = Object.entries(accepted).map(([name, value]) => {
    if (value === undefined || !Object.hasOwn(stated, name)) return [name, value] as const
    return [name, keepTypes({ plain: sent[name], exact: stated[name] }, value, { name }, rules)] as const
  })
  return Object.fromEntries(values)
}

function refusal(paths: readonly string[][]): CustomUserDataError {
  return new CustomUserDataError('custom_data_refused', `The schema refuses: ${namesOf(paths)}.`)
}

function namesOf(paths: readonly string[][]): string {
  return [...new Set(paths.map(showPath))].slice(0, MAX_NAMED).join(', ')
}
