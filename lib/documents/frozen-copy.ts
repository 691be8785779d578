import { inspect } from 'node:util'
import { isDate } from 'node:util/types'
import { isPlainObject } from '../util/plain-object.js'
import { areEqualOpaque, cloneOpaque, holdsBytes, isOpaque } from './opaque-values.js'

/**
 * Creates a read-only copy of a loaded document. Objects and arrays are frozen. Freezing does not protect the inside of
 * dates, binaries and other BSON values, so each access gives a fresh instance of them. The getters for that are made here,
 * so that a request with a cached snapshot pays nothing.
 */
export function toFrozenCopy(document: object): object {
  return freezeValue(document) as object
}

function freezeValue(value: unknown): unknown {
  if (Array.isArray(value)) return freezeList(value)
  return isPlainObject(value) ? freezeMembers(value, {}) : value
}

/** A list without opaque elements is frozen as a whole: V8 keeps elements that are defined one by one in a slow table. */
function freezeList(list: readonly unknown[]): object {
  return list.some(isOpaque) ? freezeMembers(list, []) : Object.freeze(list.map(freezeValue))
}

/**
 * Assigns most members, because defining them takes twice as long. A member with an inherited name is defined: to assign the
 * own `__proto__` of a document would set the prototype of the copy.
 */
function freezeMembers(source: object, copy: object): object {
  const opaque: object[] = []
  for (const [key, value] of Object.entries(source)) {
    if (isOpaque(value)) {
      const get = getterAt(opaque.push(value) - 1)
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, get })
    } else if (key in copy) {
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, value: freezeValue(value) })
    } else {
      ;(copy as Record<string, unknown>)[key] = freezeValue(value)
    }
  }
  if (opaque.length > 0) {
    Object.defineProperty(copy, OPAQUE_VALUES, { value: new OpaqueValues(opaque) })
    Object.defineProperty(copy, inspect.custom, { value: toInspected })
  }
  return Object.freeze(copy)
}

/** The property with the values that an object's getters give. It is not enumerable, so that common tools do not see it. */
const OPAQUE_VALUES = Symbol('opaque values')

/** An object that may have that property: a frozen copy, a proxy of it, or an object that inherits from it. */
interface Holder {
  readonly [OPAQUE_VALUES]?: OpaqueValues
}

/**
 * The opaque values of one object. They are private, because reflection finds the property. A date is kept as its number,
 * which takes 8 to 16 bytes instead of 96.
 */
class OpaqueValues {
  readonly #values: readonly (number | object)[]

  constructor(values: readonly object[]) {
    this.#values = values.map(toKept)
    Object.freeze(this)
  }

  toFresh(position: number): object | undefined {
    const value = this.#values[position]
    return typeof value === 'number' ? new Date(value) : value && cloneOpaque(value)
  }

  isEqual(position: number, other: object): boolean {
    const value = this.#values[position]
    if (typeof value === 'number') return isDate(other) && Object.is(value, other.getTime())
    return areEqualOpaque(value, other)
  }
}

/** The bytes of a value are a part of a larger buffer, often the server's whole reply, which they would keep in memory. */
function toKept(value: object): number | object {
  if (isDate(value)) return value.getTime()
  return holdsBytes(value) ? cloneOpaque(value) : value
}

type Getter = (this: Holder) => object

/**
 * One getter for each position, shared by all copies: a copy with getters of its own would also have a hidden class of its
 * own, which takes 500 bytes. There are never more getters than the largest document had opaque values.
 */
const getters: Getter[] = []

function getterAt(position: number): Getter {
  return (getters[position] ??= function get() {
    const value = this[OPAQUE_VALUES]?.toFresh(position)
    if (!value) throw new TypeError('The value can be read only from the object that it was loaded into.')
    return value
  })
}

/** Lets `console.log` show the values instead of the word `[Getter]`. */
function toInspected(this: object): object {
  return Array.isArray(this) ? [...(this as unknown[])] : { ...this }
}

/** Members by name, or elements by index. */
type Members = Readonly<Record<string, unknown>>

/**
 * Whether a frozen copy equals the copy that would be made of a document, with its members in the same order. Each load asks
 * this, so no getter is called and nothing is copied. Values that are not plain objects or lists are compared with
 * `isDeepStrictEqual()`, which ignores the order of the entries of a map.
 */
export function isFrozenCopyOf(copy: unknown, document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return Object.is(copy, document)
  if (Array.isArray(document)) return Array.isArray(copy) && haveEqualElements(copy, document)
  if (!isPlainObject(document)) return copy === document
  return isPlainObject(copy) && haveEqualMembers(copy as Members, document as Members)
}

// Plain loops, because these comparisons take more of a load's processor time than anything else except the query.

function haveEqualElements(copy: readonly unknown[], list: readonly unknown[]): boolean {
  if (copy.length !== list.length) return false
  let opaque = 0
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    if (isOpaque(value)) {
      if (!isEqualOpaque(copy, opaque++, value)) return false
    } else if (!isFrozenCopyOf(copy[index], value)) return false
  }
  return true
}

function haveEqualMembers(copy: Members, source: Members): boolean {
  const names = Object.keys(source)
  const others = Object.keys(copy)
  if (names.length !== others.length) return false
  let opaque = 0
  for (const [index, name] of names.entries()) {
    if (others[index] !== name) return false
    const value = source[name]
    if (isOpaque(value)) {
      if (!isEqualOpaque(copy, opaque++, value)) return false
    } else if (!isFrozenCopyOf(copy[name], value)) return false
  }
  return true
}

function isEqualOpaque(copy: object, position: number, value: object): boolean {
  return (copy as Holder)[OPAQUE_VALUES]?.isEqual(position, value) ?? false
}
