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
  const kept: KeptValues = Array.isArray(source) ? new Array<undefined>(source.length).fill(undefined) : {}
  let hasOpaque = false
  for (const [key, value] of Object.entries(source)) {
    if (isOpaque(value)) {
      hasOpaque = true
      keep(kept, key, value)
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, get: getterOf(key) })
    } else if (key in copy) {
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, value: freezeValue(value) })
    } else {
      ;(copy as Record<string, unknown>)[key] = freezeValue(value)
    }
  }
  if (hasOpaque) {
    Object.defineProperty(copy, OPAQUE_VALUES, { value: new OpaqueValues(kept) })
    Object.defineProperty(copy, inspect.custom, { value: toInspected })
  }
  return Object.freeze(copy)
}

/** The property with the values that an object's getters give. It is not enumerable, so that common tools do not see it. */
const OPAQUE_VALUES = Symbol('opaque values')

/** An object that may have that property: a frozen copy, a proxy of it, or an object with its prototype or descriptors. */
interface Holder {
  readonly [OPAQUE_VALUES]?: OpaqueValues
}

/** Opaque values as they are kept, by name or by index. A date is its number, which takes 8 to 16 bytes instead of 96. */
type KeptValues = Record<string, number | object | undefined> | (number | object | undefined)[]

/** The opaque values of one object or list. They are private, because reflection finds the property. */
class OpaqueValues {
  readonly #values: Readonly<Record<string, number | object | undefined>>

  constructor(values: KeptValues) {
    this.#values = values as Record<string, number | object | undefined>
    Object.freeze(this)
  }

  /** A fresh instance; `undefined` if the object has no opaque value of this name. */
  toFresh(name: string): object | undefined {
    // Not the length of a list, and no name that Object.prototype has.
    if (!Object.prototype.propertyIsEnumerable.call(this.#values, name)) return undefined
    const value = this.#values[name]
    return typeof value === 'number' ? new Date(value) : value && cloneOpaque(value)
  }

  isEqual(name: string | number, other: object): boolean {
    const value = this.#values[name]
    if (typeof value === 'number') return isDate(other) && Object.is(value, other.getTime())
    return areEqualOpaque(value, other)
  }
}

function keep(values: KeptValues, name: string, value: object): void {
  if (name in values && !Array.isArray(values)) {
    Object.defineProperty(values, name, { enumerable: true, value: toKept(value) })
  } else {
    ;(values as Record<string, unknown>)[name] = toKept(value)
  }
}

/** The bytes of a value are a part of a larger buffer, often the server's whole reply, which they would keep in memory. */
function toKept(value: object): number | object {
  if (isDate(value)) return value.getTime()
  return holdsBytes(value) ? cloneOpaque(value) : value
}

type Getter = (this: Holder) => object

/**
 * One getter for each name, shared by all copies: a copy with getters of its own would also have a hidden class of its own,
 * which takes 500 bytes. A getter knows its name, so that it never gives another value of an object that was put together
 * from the descriptors of two copies.
 */
const getters = new Map<string, Getter>()

/**
 * When this many names are known, all are forgotten. A longer name has a getter of its own. Documents may have ids or texts of
 * users as names, so that neither the number nor the length of names has a bound.
 */
const MAX_GETTERS = 10_000
const MAX_SHARED_NAME = 100

function getterOf(name: string): Getter {
  const known = getters.get(name)
  if (known) return known
  const getter = createGetter(name)
  if (getters.size === MAX_GETTERS) getters.clear()
  if (name.length <= MAX_SHARED_NAME) getters.set(name, getter)
  return getter
}

function createGetter(name: string): Getter {
  return function get() {
    const value = this[OPAQUE_VALUES]?.toFresh(name)
    if (!value) throw new TypeError(NOT_FOUND)
    return value
  }
}

const NOT_FOUND =
  'The value can be read only from the object that it was loaded into. Copy the values, as { ...customData } does, and ' +
  'not single property descriptors.'

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
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    if (isOpaque(value)) {
      if (!isEqualOpaque(copy, index, value)) return false
    } else if (!isFrozenCopyOf(copy[index], value)) return false
  }
  return true
}

function haveEqualMembers(copy: Members, source: Members): boolean {
  const names = Object.keys(source)
  const others = Object.keys(copy)
  if (names.length !== others.length) return false
  for (const [index, name] of names.entries()) {
    if (others[index] !== name) return false
    const value = source[name]
    if (isOpaque(value)) {
      if (!isEqualOpaque(copy, name, value)) return false
    } else if (!isFrozenCopyOf(copy[name], value)) return false
  }
  return true
}

function isEqualOpaque(copy: object, name: string | number, value: object): boolean {
  return (copy as Holder)[OPAQUE_VALUES]?.isEqual(name, value) ?? false
}
