import { isDate, isRegExp } from 'node:util/types'
import type { Document } from 'mongodb'
import { isPlainObject } from '../util/plain-object.js'
import { needsRealMongoDb } from './real-mongodb.js'

/** Whether two values are equal for MongoDB. A missing value equals `null`. */
export type IsEqual = (one: unknown, other: unknown) => boolean

/** The values at a path: more than one if the path leads into a list, and none if the field is missing. */
type Values = readonly unknown[]

type Operator = (values: Values, operand: unknown, isEqual: IsEqual) => boolean

/** The types that are told apart here. */
const KNOWN_TYPES: readonly unknown[] = ['array', 'string', 'objectId']

/** The operators of the filters that this package sends for loads, for `forUser()` and for new sessions. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  $eq: hasEqual,
  $ne: (values, operand, isEqual) => !hasEqual(values, operand, isEqual),
  $in: (values, operand, isEqual) =>
    (operand as readonly unknown[]).some(other => hasEqual(values, other, isEqual)),
  $not: (values, operand, isEqual) => !holds(values, operand, isEqual),
  $exists: (values, operand) => values.length > 0 === Boolean(operand),
  $type: (values, operand) => {
    const names = [operand].flat()
    if (!names.every(name => KNOWN_TYPES.includes(name)))
      throw needsRealMongoDb('a filter with $type for this type')
    return withElements(values).some(value => names.includes(typeNameOf(value)))
  },
  /** Only dates are compared, those of sessions. */
  $gt: (values, operand) => {
    if (!isDate(operand)) throw needsRealMongoDb('a filter with $gt for another value than a date')
    return withElements(values).some(value => isDate(value) && value > operand)
  },
}

/** MongoDB's names of the types that this package asks for. Ids are texts here, so no other type has to be told apart. */
export function typeNameOf(value: unknown): 'missing' | 'array' | 'string' | 'objectId' | 'other' {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'array'
  if (isOfBson(value, 'ObjectId')) return 'objectId'
  return typeof value === 'string' ? 'string' : 'other'
}

/**
 * Whether a document matches a filter.
 *
 * @throws `real_mongodb_needed` for an operator that is not known here
 */
export function matches(document: Document, filter: Document, isEqual: IsEqual): boolean {
  return Object.entries(filter).every(([name, condition]) => {
    const holdsOf = (part: Document): boolean => matches(document, part, isEqual)
    if (name === '$and') return (condition as Document[]).every(holdsOf)
    if (name === '$nor') return !(condition as Document[]).some(holdsOf)
    if (name.startsWith('$')) throw needsRealMongoDb(`a filter with ${name}`)
    return holds(valuesAt(document, name.split('.')), condition, isEqual)
  })
}

function holds(values: Values, condition: unknown, isEqual: IsEqual): boolean {
  if (!isOperators(condition)) return hasEqual(values, condition, isEqual)
  return Object.entries(condition).every(([name, operand]) => {
    const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined
    if (!operator) throw needsRealMongoDb(`a filter with ${name}`)
    return operator(values, operand, isEqual)
  })
}

/** The values at a path. Of a list they are those of each element, and also that at the number of an element. */
function valuesAt(value: unknown, [step, ...rest]: readonly string[]): unknown[] {
  if (step === undefined) return [value]
  const inner = isHolder(value) && Object.hasOwn(value, step) ? valuesAt(value[step], rest) : []
  if (!Array.isArray(value)) return inner
  return [...inner, ...value.filter(isPlainObject).flatMap(element => valuesAt(element, [step, ...rest]))]
}

function isHolder(value: unknown): value is Readonly<Record<string, unknown>> {
  return Array.isArray(value) || isPlainObject(value)
}

/** A condition for a list also holds if it holds for an element. */
function withElements(values: Values): unknown[] {
  return values.flatMap(value => (Array.isArray(value) ? [value, ...(value as unknown[])] : [value]))
}

function hasEqual(values: Values, operand: unknown, isEqual: IsEqual): boolean {
  if (isRegExp(operand) || isOfBson(operand, 'BSONRegExp'))
    throw needsRealMongoDb('a filter with a regular expression')
  const compared = values.length > 0 ? withElements(values) : [undefined]
  return compared.some(value => isEqual(value, operand))
}

function isOfBson(value: unknown, type: string): boolean {
  return (value as { readonly _bsontype?: unknown } | null | undefined)?._bsontype === type
}

function isOperators(condition: unknown): condition is object {
  return isPlainObject(condition) && Object.keys(condition).some(name => name.startsWith('$'))
}

/** Lists the fields of a filter that an upsert copies into the new document. MongoDB copies what is compared by `$eq`. */
export function equalityFields(filter: Document): [path: string, value: unknown][] {
  return Object.entries(filter).map(([path, condition]) => {
    const operators = isOperators(condition) ? (condition as Document) : { $eq: condition as unknown }
    if (Object.keys(operators).join() !== '$eq') throw needsRealMongoDb('an upsert with this filter')
    return [path, operators['$eq'] as unknown]
  })
}
