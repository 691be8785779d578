import type { Document } from 'mongodb'
import { describeType } from '../util/describe-value.js'
import { isPlainFieldName, pathsOverlap } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'

/** Returns the update operators of a change, and refuses a change of the fields that identify the document. */
export function toOperators(change: unknown, userIdField: string): Document {
  if (!isPlainObject(change)) {
    throw wrong(
      'update',
      `the change is ${describeType(change)}: write an object of fields or of update operators`,
    )
  }
  const names = Object.keys(change)
  const operators = names.filter(name => name.startsWith('$'))
  if (operators.length === 0) return { $set: toFields(change, userIdField) }
  if (operators.length < names.length) {
    throw wrong('update', 'the change has fields and operators: write one of the two')
  }
  for (const [operator, paths] of Object.entries(change)) {
    for (const path of pathsOf(operator, paths)) refuseIdentity(path, userIdField)
  }
  return change
}

/** Returns the document that replaces another, and refuses update operators. */
export function toReplacement(document: unknown): Document {
  if (isPlainObject(document) && !Object.keys(document).some(name => name.startsWith('$'))) return document
  const given = isPlainObject(document) ? 'has operators' : `is ${describeType(document)}`
  throw wrong('replace', `the document ${given}: write an object of fields`)
}

function toFields(fields: object, userIdField: string): Document {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  for (const [name] of given) {
    if (!isPlainFieldName(name)) {
      throw wrong('update', `"${name}" is not the name of a field: write { $set: … } to change a path`)
    }
    refuseIdentity(name, userIdField)
  }
  return Object.fromEntries(given)
}

/** The paths that an operator changes. `$rename` also changes the paths in its values. */
function pathsOf(operator: string, paths: unknown): string[] {
  if (!isPlainObject(paths)) {
    throw wrong('update', `${operator} is ${describeType(paths)}: write an object of fields`)
  }
  return [...Object.keys(paths), ...(operator === '$rename' ? Object.values(paths).map(String) : [])]
}

function refuseIdentity(path: string, userIdField: string): void {
  for (const identity of ['_id', userIdField]) {
    if (mayOverlap(path, identity)) {
      throw wrong('update', `"${path}" cannot be changed, because it identifies the document: leave it out`)
    }
  }
}

/** A positional step, such as `$`, `$[]` or `$[name]`, stands for any number, which may be a step of the user id field. */
function mayOverlap(path: string, identity: string): boolean {
  const known = identity.split('.')
  const steps = path.split('.').map((step, index) => (step.startsWith('$') ? (known[index] ?? step) : step))
  return pathsOverlap(steps.join('.'), identity)
}

function wrong(method: string, message: string): TypeError {
  return new TypeError(`forUser(userId).${method}: ${message}.`)
}
