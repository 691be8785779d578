import { isPlainObject } from './plain-object.js'

/** Names with a meaning in JavaScript or in the driver. With `_bsontype` an object would pass for a BSON value. */
const RESERVED = new Set(['', '__proto__', 'constructor', 'prototype', '_bsontype'])
/** A dollar sign makes an operator, a dot makes a path, and BSON cannot store a null character in a name. */
const NOT_PLAIN = /^\$|[.\0]/
/** Names in messages come from clients, so they are cut at this length. */
const MAX_SHOWN = 100

/** Whether JavaScript, the driver and MongoDB all read the name as the name of one field. */
export function isPlainFieldName(name: string): boolean {
  return !RESERVED.has(name) && !NOT_PLAIN.test(name)
}

/** A part of a value, and the steps to it. The path is put together only for a message. */
interface Part {
  readonly value: unknown
  readonly key: string
  readonly holder: Part | undefined
}

/**
 * Says why a value from a client or a hook must not be stored: it contains an operator, a path or a reserved name.
 * `undefined` for a safe value. The function is not recursive, because the value may come from a stranger.
 *
 * @param exceptions names that are let through
 */
export function explainUnsafeValue(
  value: unknown,
  path: readonly string[] = [],
  exceptions?: ReadonlySet<string>,
): string | undefined {
  const open: Part[] = [{ value, key: '', holder: undefined }]
  // The value of a hook may contain itself. The driver refuses such a value later.
  const seen = new Set<object>()
  for (let part = open.pop(); part; part = open.pop()) {
    const { value: holder } = part
    if ((!Array.isArray(holder) && !isPlainObject(holder)) || seen.has(holder)) continue
    seen.add(holder)
    for (const [key, member] of Object.entries(holder)) {
      const inner: Part = { value: member, key, holder: part }
      if (!Array.isArray(holder) && !isPlainFieldName(key) && exceptions?.has(key) !== true)
        return `${showPath([...path, ...stepsTo(inner)])} is no name of a field`
      open.push(inner)
    }
  }
  return undefined
}

function stepsTo(part: Part): string[] {
  const steps: string[] = []
  for (let step = part; step.holder; step = step.holder) steps.push(step.key)
  return steps.reverse()
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
