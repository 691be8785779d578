import { getterOf, hiddenValue, hideValues } from './hidden-values.js'
import { isPlainObject } from '../util/plain-object.js'
import { areEqualWholes, isWhole } from './opaque-values.js'

/**
 * A copy of a loaded document that nobody can change: objects and arrays are frozen; dates, binaries and other
 * BSON values, whose insides freezing does not reach, are handed out as a fresh instance on each access.
 * The getters are made here, at load, so that a cached request pays nothing.
 */
export function toFrozenCopy(document: object): object {
  return freezeValue(document) as object
}

function freezeValue(value: unknown): unknown {
  if (Array.isArray(value)) return freezeList(value)
  return isPlainObject(value) ? freezeMembers(value, {}) : value
}

/** Frozen as a whole where no element needs a getter: V8 keeps elements that were defined one by one in a table. */
function freezeList(list: readonly unknown[]): object {
  return list.some(isWhole) ? freezeMembers(list, []) : Object.freeze(list.map(freezeValue))
}

/**
 * Assigns, which takes half the time, and defines what is inherited already: an own `__proto__` of a document would set the
 * copy's prototype.
 */
function freezeMembers(source: object, copy: object): object {
  const wholes: [name: string, value: object][] = []
  for (const [key, value] of Object.entries(source)) {
    if (isWhole(value)) {
      const get = getterOf(key, wholes.push([key, value]) - 1)
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, get })
    } else if (key in copy) {
      Object.defineProperty(copy, key, { enumerable: true, configurable: false, value: freezeValue(value) })
    } else {
      ;(copy as Record<string, unknown>)[key] = freezeValue(value)
    }
  }
  hideValues(copy, wholes)
  return Object.freeze(copy)
}

/** Members by name, or elements by index. */
type Members = Readonly<Record<string, unknown>>

/**
 * Whether a frozen copy is what would be made of a document now, its members in the same order. Each load asks: no getter
 * is called for what is equal, and nothing copied. What is no plain object or list is compared as `isDeepStrictEqual()`
 * has it, to whom the order within a map is nothing.
 */
export function isFrozenCopyOf(copy: unknown, document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return Object.is(copy, document)
  if (Array.isArray(document)) return Array.isArray(copy) && haveEqualElements(copy, document)
  if (!isPlainObject(document)) return copy === document
  return isPlainObject(copy) && haveEqualMembers(copy as Members, document as Members)
}

// Plain loops: of what a load does beside the query, this is the most.

function haveEqualElements(copy: readonly unknown[], list: readonly unknown[]): boolean {
  if (copy.length !== list.length) return false
  let wholes = 0
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    if (isWhole(value)) {
      if (!areEqualWholes(hiddenValue(copy, String(index), wholes++), value)) return false
    } else if (!isFrozenCopyOf(copy[index], value)) return false
  }
  return true
}

function haveEqualMembers(copy: Members, source: Members): boolean {
  const names = Object.keys(source)
  const others = Object.keys(copy)
  if (names.length !== others.length) return false
  let wholes = 0
  for (const [index, name] of names.entries()) {
    if (others[index] !== name) return false
    const value = source[name]
    if (isWhole(value)) {
      if (!areEqualWholes(hiddenValue(copy, name, wholes++), value)) return false
    } else if (!isFrozenCopyOf(copy[name], value)) return false
  }
  return true
}
