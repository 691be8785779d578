import { getterOf, hideValues } from './hidden-values.js'
import { isPlainObject } from './plain-object.js'
import { isWhole } from './whole-values.js'

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

/** Defines instead of assigning: assigning an own `__proto__` of a document would set the copy's prototype. */
function freezeMembers(source: object, copy: object): object {
  const wholes: [name: string, value: object][] = []
  for (const [key, value] of Object.entries(source)) {
    const member = isWhole(value)
      ? { get: getterOf(key, wholes.push([key, value]) - 1) }
      : { value: freezeValue(value) }
    Object.defineProperty(copy, key, { enumerable: true, configurable: false, ...member })
  }
  hideValues(copy, wholes)
  return Object.freeze(copy)
}
