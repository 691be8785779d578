import { isPlainObject } from '../util/plain-object.js'

/** Names that mean something to JavaScript or to the driver: `_bsontype` would pass an object off as a BSON value. */
const RESERVED = new Set(['', '__proto__', 'constructor', 'prototype', '_bsontype'])
/** Operators, paths, and what BSON cannot hold. */
const NOT_PLAIN = /^\$|[.\0]/
/** Far less than MongoDB takes, and than a stack does. */
const MAX_DEPTH = 32
/** Names in messages are input. */
const MAX_SHOWN = 100

/** Whether a name is that of one field, to everybody who reads it. */
export function isPlainFieldName(name: string): boolean {
  return !RESERVED.has(name) && !NOT_PLAIN.test(name)
}

/** Why a value from outside must not be stored: it hides an operator, a path or a prototype, or is too deep. */
export function findFault(value: unknown, path: readonly string[] = []): string | undefined {
  if (path.length > MAX_DEPTH) return `${show(path)} is nested too deeply`
  if (!Array.isArray(value) && !isPlainObject(value)) return undefined
  for (const [key, member] of Object.entries(value)) {
    const memberPath = [...path, key]
    if (!Array.isArray(value) && !isPlainFieldName(key)) return `${show(memberPath)} is no name of a field`
    const fault = findFault(member, memberPath)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A path as it can be shown: quoted, and not at any length. */
export function show(path: readonly string[]): string {
  const text = path.join('.')
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text)
}

/** Whether one of two paths leads through the other, so that a change of one changes the other. */
export function overlaps(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`) || other.startsWith(`${path}.`)
}

/** The value at a dotted path of a document; own members only. */
export function valueAt(document: object, path: string): unknown {
  let value: unknown = document
  for (const step of path.split('.')) {
    if (!isPlainObject(value) || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

/** A copy of a document that has `value` at a dotted path, whatever was there before. */
export function withValueAt(document: object, path: string, value: unknown): Record<string, unknown> {
  const [step = '', ...rest] = path.split('.')
  const copy = { ...document } as Record<string, unknown>
  const inner = Object.hasOwn(copy, step) && isPlainObject(copy[step]) ? copy[step] : {}
  copy[step] = rest.length === 0 ? value : withValueAt(inner, rest.join('.'), value)
  return copy
}
