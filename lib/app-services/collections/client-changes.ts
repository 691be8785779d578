import type { UpdateOperators } from '../../index.js'
import type { Permissions } from '../rules/permissions.js'
import { notPermitted, refused, wrongArgument } from './collection-errors.js'
import { showName } from './client-filters.js'
import { isPlainObject, topOf } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** A change that a client asks for. */
export type ClientChange =
  | { readonly kind: 'operators'; readonly operators: Readonly<Record<string, PlainObject>> }
  | { readonly kind: 'fields'; readonly fields: PlainObject }

/** Operators that change fields by their paths. Others are internal, or newer than this list. */
const OPERATORS: ReadonlySet<string> = new Set([
  ...['$set', '$unset', '$setOnInsert', '$inc', '$mul', '$min', '$max', '$rename', '$currentDate', '$bit'],
  ...['$push', '$addToSet', '$pop', '$pull', '$pullAll'],
])
/** Operators whose values hold modifiers or conditions. */
const MODIFIERS: ReadonlySet<string> = new Set(['$each', '$slice', '$sort', '$position'])
/** Names with a meaning in JavaScript or in the driver: with `_bsontype` an object would pass for a BSON value. */
const RESERVED: ReadonlySet<string> = new Set(['', '__proto__', 'constructor', 'prototype', '_bsontype'])
/** Types of BSON that users may store. Code, references and deprecated types are none of them. */
const TYPES: ReadonlySet<string> = new Set([
  ...['ObjectId', 'ObjectID', 'Int32', 'Double', 'Long', 'Decimal128', 'Timestamp', 'Binary', 'BSONRegExp'],
  ...['MinKey', 'MaxKey'],
])
/** MongoDB fills a list with `null` up to an index that is set, so a large index makes a large document. */
const MAX_INDEX_DIGITS = 4

/**
 * Parses the change of an update. A document without operators sets its fields.
 * @throws AppServicesError `InvalidParameter` or `MongoDBError`
 */
export function parseChange(given: unknown): ClientChange {
  if (Array.isArray(given)) throw refused('an update by a pipeline is not supported: write update operators')
  if (!isPlainObject(given)) throw wrongArgument('the update must be an object')
  const names = Object.keys(given)
  if (!names.some(name => name.startsWith('$'))) return { kind: 'fields', fields: parseDocument(given) }
  for (const [operator, paths] of Object.entries(given)) {
    if (!OPERATORS.has(operator)) throw refused(`${showName(operator)} is not a supported update operator`)
    if (!isPlainObject(paths)) throw refused(`${operator} needs an object of fields`)
    for (const [path, value] of Object.entries(paths)) {
      requirePath(path)
      requireOperand(operator, value)
    }
  }
  return { kind: 'operators', operators: given as Readonly<Record<string, PlainObject>> }
}

/**
 * Parses a document that is stored.
 * @throws AppServicesError `InvalidParameter` or `MongoDBError`
 */
export function parseDocument(given: unknown): PlainObject {
  if (!isPlainObject(given)) throw wrongArgument('the document must be an object')
  requireStorable(given)
  return given
}

/** The paths that operators change. `$rename` changes two: the old one and the new one. */
export function pathsOf(operators: Readonly<Record<string, PlainObject>>): string[] {
  return Object.entries(operators).flatMap(([operator, paths]) => [
    ...Object.keys(paths),
    ...(operator === '$rename' ? Object.values(paths).map(String) : []),
  ])
}

/** @throws AppServicesError `NoMatchingRuleFound` if one of the fields may not be written */
export function requireWritable(
  paths: readonly string[],
  { mayWrite }: Pick<Permissions, 'mayWrite'>,
  userIdField: string,
): void {
  for (const path of paths) {
    const top = topOf(path)
    if (path === '_id' || top === '_id' || overlaps(path, userIdField))
      throw notPermitted(`${showName(path)} identifies the document, so it cannot be changed`)
    if (!mayWrite(top)) throw notPermitted(`the field ${showName(top)} may not be written`)
  }
}

/** Takes the user's own id out of an update. Clients write it because their documents have it, and it stays as it is stored. */
export function withoutOwnId(
  operators: Readonly<Record<string, PlainObject>>,
  isOwnId: (value: unknown) => boolean,
  userIdField: string,
): UpdateOperators {
  const entries = Object.entries(operators).map(([operator, paths]): [string, PlainObject] => {
    if (!(operator === '$set' || operator === '$setOnInsert') || !Object.hasOwn(paths, userIdField))
      return [operator, paths]
    const { [userIdField]: id, ...others } = paths
    return [operator, isOwnId(id) ? others : paths]
  })
  // MongoDB before version 5 refuses an operator without fields.
  return Object.fromEntries(entries.filter(([, paths]) => Object.keys(paths).length > 0))
}

/** A positional step stands for an element of a list, and the first step is never one. */
function overlaps(path: string, identity: string): boolean {
  const [steps, known] = [path.split('.'), identity.split('.')]
  const shared = Math.min(steps.length, known.length)
  return known
    .slice(0, shared)
    .every((step, index) => step === steps[index] || steps[index]?.startsWith('$') === true)
}

function requirePath(path: string): void {
  const [first = '', ...others] = path.split('.')
  const isFine =
    isFieldName(first) && others.every(step => isFieldName(step) || /^\$(?:\[\w*\])?$/.test(step))
  if (!isFine) throw refused(`${showName(path)} is not a path of fields`)
  const index = others.find(step => /^\d+$/.test(step) && step.length > MAX_INDEX_DIGITS)
  if (index !== undefined)
    throw refused(`the index ${showName(index)} is too large: ${'9'.repeat(MAX_INDEX_DIGITS)} at most`)
}

function requireOperand(operator: string, value: unknown): void {
  switch (operator) {
    case '$rename':
      if (typeof value !== 'string') throw refused('$rename needs the new name as a text')
      requirePath(value)
      break
    case '$push':
    case '$addToSet':
      if (!isPlainObject(value) || !Object.hasOwn(value, '$each')) requireStorable(value)
      else
        for (const [name, operand] of Object.entries(value)) {
          if (!MODIFIERS.has(name)) throw refused(`${showName(name)} is not a modifier of ${operator}`)
          // The other modifiers store nothing, and `$sort` names paths.
          if (name === '$each') requireStorable(operand)
        }
      break
    case '$pull':
      refuseReserved(value)
      break
    case '$currentDate':
    case '$bit':
      // MongoDB knows the members of these operands, and stores none of them.
      break
    default:
      requireStorable(value)
  }
}

/** @throws AppServicesError `MongoDBError` for a name that is an operator, a path or reserved, and for code and references */
function requireStorable(value: unknown): void {
  visit(
    value,
    name => {
      if (!isFieldName(name)) throw refused(`${showName(name)} is not the name of a field`)
    },
    type => {
      if (!TYPES.has(type)) throw refused(`a value of the type ${showName(type)} is not supported`)
    },
  )
}

/** A condition of `$pull` has operators, but none that runs code or looks outside of the list. */
function refuseReserved(value: unknown): void {
  visit(value, name => {
    if (RESERVED.has(name) || ['$where', '$expr', '$function', '$jsonSchema', '$text'].includes(name))
      throw refused(`${showName(name)} is not supported in $pull`)
  })
}

function visit(value: unknown, checkName: (name: string) => void, checkType?: (type: string) => void): void {
  if (Array.isArray(value)) {
    for (const element of value) visit(element, checkName, checkType)
  } else if (isPlainObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      checkName(name)
      visit(member, checkName, checkType)
    }
  } else if (typeof value === 'object' && value !== null && '_bsontype' in value) {
    checkType?.(String(value._bsontype))
  }
}

function isFieldName(name: string): boolean {
  return !RESERVED.has(name) && !/^\$|[.\0]/.test(name)
}
