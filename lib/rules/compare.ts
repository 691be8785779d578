import { isPlainObject } from '../util/plain-object.js'
import { compareNumbers } from './numbers.js'
import { toScalar } from './scalars.js'
import type { Scalar } from './scalars.js'

/**
 * Whether two values are the same in type and content, as Extended JSON would write them; numbers are compared by what
 * they are, whatever their type. What is missing equals nothing, not even null or what is missing too.
 */
export function equals(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) || Array.isArray(right)) return haveSameElements(left, right)
  if (isPlainObject(left) || isPlainObject(right)) return haveSameMembers(left, right)
  return compare(left, right) === 0
}

function haveSameElements(left: unknown, right: unknown): boolean {
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
  return left.every((element, index) => equals(element, right[index]))
}

/** In whatever order they stand. */
function haveSameMembers(left: unknown, right: unknown): boolean {
  if (!isPlainObject(left) || !isPlainObject(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every(key => equals(ownValue(left, key), ownValue(right, key)))
}

/** A member of an object or an element of a list; nothing that they inherit, and no length. */
export function ownValue(holder: unknown, key: string): unknown {
  if (Array.isArray(holder) && !/^\d+$/.test(key)) return undefined
  if (!Array.isArray(holder) && !isPlainObject(holder)) return undefined
  return Object.hasOwn(holder, key) ? (holder as Readonly<Record<string, unknown>>)[key] : undefined
}

/** Below, at or above zero; `undefined` where the two are not of one type, or have no order. */
export function compare(left: unknown, right: unknown): number | undefined {
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
  // A date beyond JavaScript's range is NaN, as their difference is then.
  const order = Number(left.content) - Number(right.content)
  return hasOrder(left.type) && !Number.isNaN(order) ? order : undefined
}

function hasOrder(type: Scalar['type']): boolean {
  return type === 'date' || type === 'boolean'
}

/** MongoDB's order of texts is that of their bytes, which is not that of UTF-16. */
function compareTexts(left: string, right: string): number | undefined {
  const order = Buffer.compare(Buffer.from(left), Buffer.from(right))
  // Halves of surrogate pairs all become the same bytes.
  return order === 0 ? undefined : order
}
