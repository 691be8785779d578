import { CustomUserDataError } from '../errors.js'
import { explainUnsafeValue, showPath } from '../util/field-names.js'
import type { FieldChange } from '../writing/dry-run.js'
import { isKept, keepTypes } from '../writing/kept-types.js'
import type { StoredValue } from '../writing/kept-types.js'
import type { OwnView } from '../writing/own-fields.js'
import { validate } from './own-data-validate.js'
import type { ValidationRules } from './own-data-validate.js'
import type { OwnDataFormat } from './own-data-formats.js'
import type { RequestBody } from './request-body.js'

/** `PATCH` changes the fields of the body, and `PUT` replaces all allowed fields. */
export type OwnDataMethod = 'PATCH' | 'PUT'

/**
 * Names in the JSON that clients get of decimals, timestamps and references. A client may send these values back, so whether
 * they are stored values is decided when these have been read.
 */
const NAMES_OF_BSON = new Set(['$numberDecimal', '$timestamp', '$ref', '$id', '$db'])

/** The names of the fields in a body that users may not write. */
export function refusedFields(body: RequestBody, fields: ReadonlySet<string>): string[] {
  return Object.keys(body).filter(name => !fields.has(name))
}

/**
 * The values of a body. Throws `invalid_request` unless it has only allowed fields, with values that MongoDB cannot take for
 * operators.
 */
export function toAllowedValues(
  body: RequestBody,
  fields: ReadonlySet<string>,
  format: OwnDataFormat,
): RequestBody {
  const [refused] = refusedFields(body, fields)
  if (refused !== undefined) throw invalid(`${showPath([refused])} is no field that you may change.`)
  const values = format.toValues(body)
  for (const [name, value] of Object.entries(values)) {
    const fault = explainUnsafeValue(value, [name], NAMES_OF_BSON)
    if (fault !== undefined) throw invalid(`${fault}.`)
  }
  return values
}

/**
 * The fields that a request sets and removes. A field that has its value already is neither. A client may send back what it has
 * read, so a value that is the stored one in the format of the client is not a change, and no schema gets it.
 *
 * @throws `custom_data_refused` if a schema refuses; `type_would_change`; `invalid_request`
 */
export async function toFieldChange(
  method: OwnDataMethod,
  values: RequestBody,
  view: OwnView | undefined,
  rules: ValidationRules,
  format: OwnDataFormat,
): Promise<FieldChange> {
  const isChange = (name: string, value: unknown): boolean => {
    const stored = storedIn(view, name)
    return !stored || !isKept(stored, value, format.rules)
  }
  const changed = Object.fromEntries(Object.entries(values).filter(([name, value]) => isChange(name, value)))
  if (format.rules.mayChangeTypes) requireStorableParts(changed, view, format)
  const removed = method === 'PUT' ? (name: string) => !Object.hasOwn(values, name) : () => false
  const kept = Object.entries(view?.plain ?? {}).filter(
    ([name]) => !Object.hasOwn(changed, name) && !removed(name),
  )
  const requested = {
    sent: toPlainJson(changed, format),
    stated: changed,
    kept: Object.fromEntries(kept),
    requiresAllFields: method === 'PUT' || !view,
    mayDropFields: method === 'PUT',
  }
  const validated = await validate(requested, rules)
  return toChange(validated, view, [...rules.fields].filter(removed), format)
}

/** Schemas get plain JSON, and some values that users must not store have none, such as a pattern that JavaScript cannot parse. */
function requireStorableParts(
  values: RequestBody,
  view: OwnView | undefined,
  { rules }: OwnDataFormat,
): void {
  for (const [name, value] of Object.entries(values)) keepTypes(storedIn(view, name), value, { name }, rules)
}

function toPlainJson(values: RequestBody, { toPlain }: OwnDataFormat): RequestBody {
  const plain = toPlain(values)
  return plain === values ? values : (JSON.parse(JSON.stringify(plain)) as RequestBody)
}

/** Compares the validated values with the stored ones. Fields of a `PUT` that have no validated value are removed. */
function toChange(
  validated: RequestBody,
  view: OwnView | undefined,
  removed: readonly string[],
  format: OwnDataFormat,
): FieldChange {
  const set: Record<string, unknown> = {}
  const unset: string[] = []
  for (const name of new Set([...Object.keys(validated), ...removed])) {
    const stored = storedIn(view, name)
    const value = Object.hasOwn(validated, name) ? validated[name] : undefined
    if (value !== undefined) {
      const kept = keepTypes(stored, value, { name }, format.rules)
      if (!stored || kept !== stored.exact) set[name] = kept
    } else if (stored) unset.push(name)
  }
  return { set, unset }
}

function storedIn(view: OwnView | undefined, name: string): StoredValue | undefined {
  return view && Object.hasOwn(view.exact, name)
    ? { plain: view.plain[name], exact: view.exact[name] }
    : undefined
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
