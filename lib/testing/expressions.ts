import type { Document } from 'mongodb'
import { createClientProjection, isClientProjection } from '../token-data/client-projection.js'
import { valueAt } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { typeNameOf } from './filters.js'
import { needsRealMongoDb } from './real-mongodb.js'

/** The values that expressions name by two dollar signs. */
export interface Variables {
  /** The document. */
  readonly ROOT: Document
  /** The time of the command. */
  readonly NOW: Date
  /** The element, inside `$map`. */
  readonly this?: unknown
}

/** The BSON size of a document in bytes. */
export type SizeOf = (document: object) => number

type Operator = (operand: unknown, variables: Variables, sizeOf: SizeOf) => unknown

/** The operators of the queries that this package sends for loads, for writes of `forUser()` and for new sessions. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  $literal: operand => operand,
  $bsonSize: (operand, variables, sizeOf) => sizeOf(evaluate(operand, variables, sizeOf) as object),
  $type: (operand, variables, sizeOf) => typeNameOf(evaluate(operand, variables, sizeOf)),
  $objectToArray: (operand, variables, sizeOf) =>
    Object.entries(evaluate(operand, variables, sizeOf) as object).map(([k, value]) => ({
      k,
      v: value as unknown,
    })),
  $lte: (operand, variables, sizeOf) => {
    const [left, right] = evaluate(operand, variables, sizeOf) as [number, number]
    return left <= right
  },
  $cond: (operand, variables, sizeOf) => {
    const [condition, yes, no] = operand as readonly unknown[]
    return evaluate(evaluate(condition, variables, sizeOf) === true ? yes : no, variables, sizeOf)
  },
  $map: (operand, variables, sizeOf) => {
    const { input, in: each } = operand as { readonly input: unknown; readonly in: unknown }
    const list = evaluate(input, variables, sizeOf) as readonly unknown[]
    return list.map(element => evaluate(each, { ...variables, this: element }, sizeOf))
  },
  $mergeObjects: (operand, variables, sizeOf) =>
    Object.assign({}, ...(evaluate(operand, variables, sizeOf) as readonly object[])) as object,
}

/**
 * Computes an expression of MongoDB. A field that is missing is `undefined`.
 *
 * @throws `real_mongodb_needed` for an operator that is not known here
 */
export function evaluate(expression: unknown, variables: Variables, sizeOf: SizeOf): unknown {
  if (typeof expression === 'string' && expression.startsWith('$')) return lookUp(expression, variables)
  if (Array.isArray(expression)) return expression.map(element => evaluate(element, variables, sizeOf))
  if (!isPlainObject(expression)) return expression
  const [name = ''] = Object.keys(expression)
  if (!name.startsWith('$')) {
    return mapMembers(expression, member => evaluate(member, variables, sizeOf))
  }
  const operator = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined
  if (!operator) throw needsRealMongoDb(`the expression ${name}`)
  return operator((expression as Document)[name], variables, sizeOf)
}

function lookUp(reference: string, variables: Variables): unknown {
  if (!reference.startsWith('$$')) {
    requireNoList(variables.ROOT, reference.slice(1).split('.').slice(0, -1))
    return valueAt(variables.ROOT, reference.slice(1))
  }
  const [name = '', ...path] = reference.slice(2).split('.')
  if (!(name in variables)) throw needsRealMongoDb(`the expression ${reference}`)
  const value = variables[name as keyof Variables]
  return path.length === 0 ? value : valueAt(value as object, path.join('.'))
}

/** MongoDB gives the values of all elements for a path through a list. */
function requireNoList(document: Document, parents: readonly string[]): void {
  for (let length = 1; length <= parents.length; length++) {
    const path = parents.slice(0, length).join('.')
    if (Array.isArray(valueAt(document, path)))
      throw needsRealMongoDb(`the expression of a path through the list "${path}"`)
  }
}

/** A copy without the members for which `map` returns `undefined`, because MongoDB leaves out a field that is missing. */
function mapMembers(source: object, map: (member: unknown) => unknown): object {
  const copy = {}
  for (const [name, member] of Object.entries(source)) {
    const value = map(member)
    // Defined, because to assign `__proto__` would set the prototype.
    if (value !== undefined) {
      Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true })
    }
  }
  return copy
}

/**
 * Applies a `$project` stage: fields to show, fields to leave out, or fields to compute.
 *
 * @throws `real_mongodb_needed` for an operator that is not known here
 */
export function project(specification: Document, variables: Variables, sizeOf: SizeOf): Document {
  if (isClientProjection(specification)) return createClientProjection(specification)(variables.ROOT)
  const entries = Object.entries(specification)
  const flags = Object.fromEntries(entries.filter(([, value]) => isFlag(value)))
  const computed = Object.fromEntries(entries.filter(([, value]) => !isFlag(value)))
  const { _id: id = 1, ...shown } = flags
  if (Object.values(shown).some(flag => !flag) || Object.keys(computed).some(name => name.includes('.'))) {
    throw needsRealMongoDb('a projection that shows, leaves out and computes fields at once')
  }
  requireNoFlags(computed)
  const isEmpty = !id && Object.keys(shown).length === 0
  const kept = isEmpty ? {} : createClientProjection({ ...shown, _id: id as 0 | 1 })(variables.ROOT)
  return { ...kept, ...(evaluate(computed, variables, sizeOf) as Document) }
}

function isFlag(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

/** In MongoDB `{ address: { city: 1 } }` shows `address.city`, and computes nothing. */
function requireNoFlags(computed: object): void {
  for (const [name, value] of Object.entries(computed)) {
    if (name.startsWith('$')) return
    if (isFlag(value))
      throw needsRealMongoDb(`a projection of the nested field "${name}": write the path with dots`)
    if (isPlainObject(value)) requireNoFlags(value)
  }
}
