import { isPlainObject } from './plain-object.js'

/** Names with a meaning in JavaScript or in the driver. With `_bsontype` an object would pass for a BSON value. */
const RESERVED = new Set(['', '__proto__', 'constructor', 'prototype', '_bsontype'])
/** A dollar sign makes an operator, a dot makes a path, and BSON cannot store a null character in a name. */
const NOT_PLAIN = /^\$|[.\0]/
/** Far less than the depth that MongoDB accepts, and less than a recursive function can handle. */
const MAX_DEPTH = 32
/** Names in messages come from clients, so they are cut at this length. */
const MAX_SHOWN = 100

/** Whether JavaScript, the driver and MongoDB all read the name as the name of one field. */
export function isPlainFieldName(name: string): boolean {
  return !RESERVED.has(name) && !NOT_PLAIN.test(name)
}

/**
 * Says why a value from a client must not be stored: it contains an operator, a path or a reserved name, or it is nested
 * too deeply. `undefined` for a safe value.
 */
export function explainUnsafeValue(value: unknown, path: readonly string[] = []): string | undefined {
  if (path.length > MAX_DEPTH) return `${showPath(path)} is nested too deeply`
  if (!Array.isArray(value) && !isPlainObject(value)) return undefined
  for (const [key, member] of Object.entries(value)) {
    const memberPath = [...path, key]
    if (!Array.isArray(value) && !isPlainFieldName(key))
      return `${showPath(memberPath)} is no name of a field`
    const reason = explainUnsafeValue(member, memberPath)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** A path in quotes for a message, cut if it is long. */
export function showPath(path: readonly string[]): string {
  const text = path.join('.')
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)
}

/** Whether a change of the value at one path also changes the value at the other. */
export function pathsOverlap(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`) || other.startsWith(`${path}.`)
}

/** The value at a dotted path. Inherited properties do not count. */
export function valueAt(document: object, path: string): unknown {
  let value: unknown = document
  for (const step of path.split('.')) {
    if (!isPlainObject(value) || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

/** Returns a new document with `value` at a dotted path. The objects on the path are replaced, not changed. */
export function withValueAt(document: object, path: string, value: unknown): Record<string, unknown> {
  const [step = '', ...rest] = path.split('.')
  const changed = { ...document } as Record<string, unknown>
  const inner = Object.hasOwn(changed, step) && isPlainObject(changed[step]) ? changed[step] : {}
  changed[step] = rest.length === 0 ? value : withValueAt(inner, rest.join('.'), value)
  return changed
}
