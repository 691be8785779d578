import { isDate } from 'node:util/types'
import type { Document } from 'mongodb'
import { valueAt } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { needsRealMongoDb } from './real-mongodb.js'

/** Whether two values are equal for MongoDB. A missing value equals `null`. */
export type IsEqual = (one: unknown, other: unknown) => boolean

type Operator = (value: unknown, operand: unknown, isEqual: IsEqual) => boolean

/** The operators of the filters that this package sends for loads, for writes of `forUser()` and for new sessions. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  $eq: (value, operand, isEqual) => isEqual(value, operand),
  $ne: (value, operand, isEqual) => !isEqual(value, operand),
  $in: (value, operand, isEqual) => (operand as readonly unknown[]).some(other => isEqual(value, other)),
  $not: (value, operand, isEqual) => !holds(value, operand, isEqual),
  $exists: (value, operand) => (value !== undefined) === operand,
  $type: (value, operand) => [operand].flat().includes(typeNameOf(value)),
  /** Only dates are compared, those of sessions. */
  $gt: (value, operand) => isDate(value) && isDate(operand) && value > operand,
}

/** MongoDB's names of the types that this package asks for. Ids are texts here, so no other type has to be told apart. */
export function typeNameOf(value: unknown): 'missing' | 'array' | 'string' | 'other' {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'string' ? 'string' : 'other'
}

/**
 * Whether a document matches a filter.
 *
 * @throws `real_mongodb_needed` for an operator that is not known here
 */
export function matches(document: Document, filter: Document, isEqual: IsEqual): boolean {
  return Object.entries(filter).every(([name, condition]) => {
    if (name === '$and') return (condition as Document[]).every(part => matches(document, part, isEqual))
    if (name.startsWith('$')) throw needsRealMongoDb(`a filter with ${name}`)
    return holds(valueAt(document, name), condition, isEqual)
  })
}

function holds(value: unknown, condition: unknown, isEqual: IsEqual): boolean {
  if (!isOperators(condition)) return isEqual(value, condition)
  return Object.entries(condition).every(([name, operand]) => {
    const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined
    if (!operator) throw needsRealMongoDb(`a filter with ${name}`)
    return operator(value, operand, isEqual)
  })
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
