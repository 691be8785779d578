import { isPlainObject } from '../util/plain-object.js'
import { compareNumbers } from './numbers.js'
import { toScalar } from './scalars.js'
import type { Scalar } from './scalars.js'

/**
 * Whether two values have the same type and content. Numbers are compared by value, whatever their BSON type. A missing
 * value equals nothing, not even null or another missing value.
 */
function equals(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) || Array.isArray(right)) return haveSameElements(left, right)
  if (isPlainObject(left) || isPlainObject(right)) return haveSameMembers(left, right)
  return compare(left, right) === 0
}

function haveSameElements(left: unknown, right: unknown): boolean {
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
  return left.every((element, index) => equals(element, right[index]))
}

/** The order of the members does not count. */
function haveSameMembers(left: unknown, right: unknown): boolean {
  if (!isPlainObject(left) || !isPlainObject(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every(key => equals(ownValue(left, key), ownValue(right, key)))
}

/** A member of an object or an element of a list. Inherited members and the length of a list are missing values. */
export function ownValue(holder: unknown, key: string): unknown {
  if (Array.isArray(holder) && !/^\d+$/.test(key)) return undefined
  if (!Array.isArray(holder) && !isPlainObject(holder)) return undefined
  return Object.hasOwn(holder, key) ? (holder as Readonly<Record<string, unknown>>)[key] : undefined
}

/** The result is below, at or above zero; `undefined` if the values differ in type or have no order. */
function compare(left: unknown, right: unknown): number | undefined {
  const [one, other] = [toScalar(left), toScalar(right)]
  return one && other ? compareScalars(one, other) : undefined
}

function compareScalars(left: Scalar, right: Scalar): number | undefined {
  if (left.type === 'number') {
    return right.type === 'number' ? compareNumbers(left.content, right.content) : undefined
  }
  if (left.type !== right.type) return undefined
  if (left.content === right.content) return 0
  if (left.type === 'string') return compareTexts(left.content, String(right.content))
  if (left.type === 'objectId') return left.content < String(right.content) ? -1 : 1
  // A date beyond JavaScript's range is NaN, and so the difference is NaN too.
  const order = Number(left.content) - Number(right.content)
  return hasOrder(left.type) && !Number.isNaN(order) ? order : undefined
}

function hasOrder(type: Scalar['type']): boolean {
  return type === 'date' || type === 'boolean'
}

/** MongoDB's order of texts is that of their bytes, which is not that of UTF-16. */
function compareTexts(left: string, right: string): number | undefined {
  const order = Buffer.compare(Buffer.from(left), Buffer.from(right))
  // All lone surrogates become the same bytes, so equal bytes of different texts give no order.
  return order === 0 ? undefined : order
}

/**
 * The result of a comparison or a rule. `undefined` means that it cannot be decided, for example a text in place of a list.
 * An undecided rule does not hold, and its opposite does not hold either.
 */
export type Verdict = boolean | undefined

/** Whether an operator holds between the value that a rule names (left) and an operand (right). */
export type Comparison = (left: unknown, right: unknown) => Verdict

/** A list on the left holds if one of its elements does: `owners: "%%user.id"` asks whether the user is one of them. */
function anyOf(left: unknown, holds: (value: unknown) => boolean): boolean {
  return holds(left) || (Array.isArray(left) && left.some(holds))
}

/** Equality, with lists as above. */
export function matches(left: unknown, right: unknown): boolean {
  return anyOf(left, value => equals(value, right))
}

/** Equality with a value of the user or the request, which may be a list too: `"%%user.id": "%%user.custom_data.friends"`. */
export function matchesEitherWay(left: unknown, right: unknown): boolean {
  return matches(left, right) || matches(right, left)
}

/** Undecided if there is no list, so that a rule over a missing list of banned users refuses all users. */
export const isIn: Comparison = (left, right) =>
  Array.isArray(right) ? right.some(element => matches(left, element)) : undefined

/** Values of two types have no order, and missing values have none. For a list one matching element is enough. */
function ordered(accepts: (order: number) => boolean): Comparison {
  const holds: Comparison = (left, right) => {
    const order = compare(left, right)
    return order === undefined ? undefined : accepts(order)
  }
  return (left, right) =>
    Array.isArray(left) ? someOf(left.map(element => holds(element, right))) : holds(left, right)
}

/** The opposite of a verdict. */
export function opposite(verdict: Verdict): Verdict {
  return verdict === undefined ? undefined : !verdict
}

/** Whether all verdicts are true. A single false verdict decides, even if others are undecided. */
export function everyOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false
  return verdicts.includes(undefined) ? undefined : true
}

/** Whether at least one verdict is true. A single true verdict decides, even if others are undecided. */
export function someOf(verdicts: readonly Verdict[]): Verdict {
  return opposite(everyOf(verdicts.map(opposite)))
}

/** The operators that order two values, by their name without the sign in front. */
export const ORDERINGS: ReadonlyMap<string, Comparison> = new Map<string, Comparison>([
  ['gt', ordered(order => order > 0)],
  ['gte', ordered(order => order >= 0)],
  ['lt', ordered(order => order < 0)],
  ['lte', ordered(order => order <= 0)],
])
