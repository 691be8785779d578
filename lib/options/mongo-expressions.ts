import { types } from 'node:util'
import * as v from 'valibot'
import { showPath } from '../util/field-names.js'
import { MAX_INPUT_DEPTH, MAX_INPUT_MEMBERS } from '../util/nesting.js'
import { describeType } from '../util/describe-value.js'
import { isObject, isPlainObject } from '../util/plain-object.js'
import { OptionError } from '../errors.js'

/** A filter or a projection of MongoDB. */
type Expression = Readonly<Record<string, unknown>>

const JAVASCRIPT = 'runs JavaScript at the server: write operators of MongoDB in $expr'
const SORTS = 'looks for the nearest document of the collection: write $geoWithin'

/** Operators that run code at the server, or that need more than the one document that is asked about. */
const REFUSED_OPERATORS: ReadonlyMap<string, string> = new Map([
  ['$where', JAVASCRIPT],
  ['$function', JAVASCRIPT],
  ['$accumulator', JAVASCRIPT],
  ['$text', 'searches the text index of the collection: write $regex'],
  ['$near', SORTS],
  ['$nearSphere', SORTS],
])
/** Operators that MongoDB sends to itself. They are not documented, and some skip checks. */
const INTERNAL_OPERATOR = '$_'
/** The variable with the roles of the database user, which are no part of the document. */
const USER_ROLES = /^\$\$USER_ROLES(\.|$)/
/** More conditions than an update has paths for. */
const MAX_ARRAY_FILTERS = 100

/** A mistake in a value, as the end of a message. */
class Mistake extends Error {}

/** A filter, which is copied, because the caller may change it before it is sent. */
export const filter = checked('write a filter, e.g. { language: "en" }')

/** A projection for a `$project` stage. It is copied, like a filter. */
export const projection = checked('write a $project stage, e.g. { language: 1 }')

/** Conditions for the elements that paths such as `list.$[name]` stand for. */
export const arrayFilters = v.pipe(
  v.array(filter, 'write a list of filters, e.g. [{ "name.done": false }]'),
  v.maxLength(MAX_ARRAY_FILTERS, `write ${MAX_ARRAY_FILTERS} filters at most`),
)

/** Checks and copies the filter that a function takes as its first argument. */
export function parseFilter(callee: string, given: unknown = {}): Expression {
  const result = v.safeParse(filter, given)
  if (result.success) return result.output
  throw new OptionError(`${callee}: the filter: ${result.issues[0].message} (given: ${describeType(given)}).`)
}

function checked(says: string) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, Expression>(({ dataset, addIssue, NEVER }) => {
      const copy = copyExpression(dataset.value, says)
      if (!(copy instanceof Mistake)) return copy
      addIssue({ message: copy.message })
      return NEVER
    }),
  )
}

function copyExpression(given: unknown, says: string): Expression | Mistake {
  if (!isPlainObject(given)) return new Mistake(says)
  const count = { members: 0 }
  try {
    return copyMember(given, [], count) as Expression
  } catch (error) {
    if (error instanceof Mistake) return error
    throw error
  }
}

/**
 * Copies objects and lists, and keeps other values. It refuses values that the driver would write as something else, because
 * an operator could hide in them. The limits of the depth also end a circle.
 */
function copyMember(value: unknown, path: readonly string[], count: { members: number }): unknown {
  refuseValue(value, path)
  if (!Array.isArray(value) && !isPlainObject(value)) return value
  if (path.length >= MAX_INPUT_DEPTH)
    throw new Mistake(`it has more than ${MAX_INPUT_DEPTH} levels: write fewer`)
  const members = Object.entries(value)
  count.members += members.length
  if (count.members > MAX_INPUT_MEMBERS)
    throw new Mistake(`it has more than ${MAX_INPUT_MEMBERS} members: write fewer`)
  const copies = members.map(([name, member]): [string, unknown] => {
    const inner = [...path, name]
    if (!Array.isArray(value)) refuseName(name, inner)
    return [name, copyMember(member, inner, count)]
  })
  return Array.isArray(value) ? copies.map(([, copy]) => copy) : Object.fromEntries(copies)
}

function refuseName(name: string, path: readonly string[]): void {
  const why = name.startsWith(INTERNAL_OPERATOR)
    ? 'is an internal operator of MongoDB: leave it out'
    : REFUSED_OPERATORS.get(name)
  if (why !== undefined) throw new Mistake(`${showPath(path)} ${why}`)
  // The driver would take the object for a value of BSON.
  if (name === '_bsontype') throw new Mistake(`${showPath(path)} is no name of a field: leave it out`)
}

/** The driver writes `undefined` as `null`, or leaves it out. Both match more documents than the caller means. */
function refuseValue(value: unknown, path: readonly string[]): void {
  if (value === undefined)
    throw new Mistake(`${showPath(path)} is undefined: leave it out, or write { $exists: false }`)
  if (typeof value === 'function' || typeof value === 'symbol')
    throw new Mistake(`${showPath(path)} is a ${typeof value}: write a value that MongoDB can store`)
  if (typeof value === 'string' && USER_ROLES.test(value))
    throw new Mistake(`${showPath(path)} has $$USER_ROLES, the rights of the database user: leave it out`)
  if (isObject(value) && !isStorable(value))
    throw new Mistake(`${showPath(path)} is an instance of a class that is not BSON: write a plain object`)
}

/** Whether the driver writes an object as it is. It would call `toBSON()`, and it writes a Map as a document. */
function isStorable(value: object): boolean {
  if (Array.isArray(value) || isPlainObject(value)) return true
  if ('toBSON' in value) return false
  return '_bsontype' in value || types.isDate(value) || types.isRegExp(value) || types.isUint8Array(value)
}
