import { wrongArgument } from './collection-errors.js'
import { showName } from './client-filters.js'
import { isPlainObject, toNumber } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** The arguments of each operation, by the names that clients send. */
const ARGUMENTS = {
  find: ['query', 'project', 'sort', 'limit'],
  findOne: ['query', 'project', 'sort'],
  findOneAndUpdate: ['filter', 'update', 'sort', 'projection', 'upsert', 'returnNewDocument'],
  findOneAndReplace: ['filter', 'update', 'sort', 'projection', 'upsert', 'returnNewDocument'],
  findOneAndDelete: ['filter', 'sort', 'projection', 'upsert', 'returnNewDocument'],
  aggregate: ['pipeline'],
  count: ['query', 'limit'],
  insertOne: ['document'],
  insertMany: ['documents'],
  updateOne: ['query', 'update', 'upsert', 'arrayFilters'],
  updateMany: ['query', 'update', 'upsert', 'arrayFilters'],
  deleteOne: ['query'],
  deleteMany: ['query'],
  watch: ['ids', 'filter'],
} as const satisfies Record<string, readonly string[]>

/** The name of an operation on a collection. */
export type OperationName = keyof typeof ARGUMENTS

/** Arguments that are plain values, and not values of documents. */
const NUMBERS: ReadonlySet<string> = new Set(['limit'])
const BOOLEANS: ReadonlySet<string> = new Set(['upsert', 'returnNewDocument'])

/** Whether there is an operation of this name. */
export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(ARGUMENTS, name)
}

/** The operations, as they are listed in a message. */
export const OPERATION_NAMES = Object.keys(ARGUMENTS) as readonly OperationName[]

/** The collection that an operation names, and its other arguments. */
export interface OperationArguments {
  readonly database: string
  readonly collection: string
  readonly args: PlainObject
}

/**
 * Checks the arguments of an operation, which are converted from Extended JSON already. `null` counts as absent, because
 * clients send it for `undefined`.
 *
 * @throws AppServicesError `InvalidParameter` for an argument that is unknown or has another type
 */
export function parseArguments(operation: OperationName, given: readonly unknown[]): OperationArguments {
  const [first, ...more] = given
  if (!isPlainObject(first) || more.length > 0)
    throw wrongArgument(`${operation} takes one object of arguments`)
  const { database, collection, ...others } = first
  if (typeof database !== 'string' || typeof collection !== 'string')
    throw wrongArgument('the arguments must name a "database" and a "collection"')
  const known: readonly string[] = ARGUMENTS[operation]
  const args = Object.entries(others).flatMap(([name, value]): [string, unknown][] => {
    if (!known.includes(name))
      throw wrongArgument(
        `${operation} has no argument ${showName(name)}; the arguments are ${known.join(', ')}`,
      )
    return value === null || value === undefined ? [] : [[name, toPlain(name, value)]]
  })
  return { database, collection, args: Object.fromEntries(args) }
}

/** Numbers of documents have classes of BSON. Options are numbers of JavaScript. */
function toPlain(name: string, value: unknown): unknown {
  if (NUMBERS.has(name)) {
    const number = toNumber(value)
    if (!Number.isSafeInteger(number)) throw wrongArgument(`"${name}" must be a whole number`)
    return number
  }
  if (BOOLEANS.has(name) && typeof value !== 'boolean') throw wrongArgument(`"${name}" must be true or false`)
  return value
}
