import type { StandardSchemaV1 } from '@standard-schema/spec'
import { explainUnsafeValue, showPath } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { OwnView } from '../writing/own-fields.js'
import type { FieldChange } from '../writing/dry-run.js'
import { CustomUserDataError, toCallbackError } from '../errors.js'
import type { OwnDataConfig } from './own-data-options.js'
import type { RequestBody } from './request-body.js'

/** `PATCH` changes the fields of the body, `PUT` replaces all that are allowed. */
export type OwnDataMethod = 'PATCH' | 'PUT'

/** Paths that are named in a refusal. */
const MAX_NAMED = 10

/** Throws `invalid_request` unless a body has only fields that are allowed, with values that are no more than values. */
export function requireAllowed(body: RequestBody, { fields }: OwnDataConfig): void {
  for (const [name, value] of Object.entries(body)) {
    if (!fields.includes(name)) throw invalid(`${showPath([name])} is no field that you may change.`)
    const fault = explainUnsafeValue(value, [name])
    if (fault !== undefined) throw invalid(`${fault}.`)
  }
}

/** What a body makes of the fields that are there. Rejects with `custom_data_refused` where the schema says no. */
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

/** As the client sees it, since that is what the schema is about. */
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

/** Messages of a schema can quote what is stored; paths cannot. */
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
