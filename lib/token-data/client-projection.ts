import { isPlainObject } from '../util/plain-object.js'

/**
 * The fields that clients may see.
 *
 * @example
 * { language: 1, 'address.city': 1 } // only these, and _id
 * @example
 * { notes: 0 } // all fields except this one
 */
export type ClientProjection = Readonly<Record<string, 0 | 1 | boolean>>

/** Fields by name; `true` means the whole field. */
interface Tree {
  readonly fields: ReadonlyMap<string, Tree | true>
}

/**
 * Creates the function that removes the fields that clients may not see, as MongoDB's `find` does. Dotted paths reach into
 * objects and into the objects of arrays. `_id` stays unless it is named.
 */
export function createClientProjection(projection: ClientProjection): (document: object) => object {
  const { _id: id, ...others } = projection
  const isIncluding = Object.values(others).some(Boolean) || (Object.keys(others).length === 0 && Boolean(id))
  const hidesId = id !== undefined && !id
  const paths = Object.keys(others)
  if (isIncluding) {
    const shown = toTree(hidesId ? paths : [...paths, '_id'])
    return document => include(document, shown) as object
  }
  const hidden = toTree(hidesId ? [...paths, '_id'] : paths)
  return document => exclude(document, hidden) as object
}

/** Whether a value is a projection of either shown or hidden fields; only `_id` may differ. */
export function isClientProjection(value: unknown): value is ClientProjection {
  if (!isPlainObject(value) || Object.keys(value).length === 0) return false
  const entries = Object.entries(value)
  if (!entries.every(([path, flag]) => isPath(path) && [0, 1, true, false].includes(flag as number)))
    return false
  return new Set(entries.filter(([path]) => path !== '_id').map(([, flag]) => Boolean(flag))).size <= 1
}

function isPath(path: string): boolean {
  return path.split('.').every(step => step !== '' && !step.startsWith('$'))
}

function toTree(paths: readonly string[]): Tree {
  const steps = paths.map(path => path.split('.'))
  const names = new Set(steps.map(([first = '']) => first))
  const fields = [...names].map((name): [string, Tree | true] => {
    const below = steps.filter(([first]) => first === name).map(([, ...rest]) => rest.join('.'))
    return [name, below.includes('') ? true : toTree(below)]
  })
  return { fields: new Map(fields) }
}

function include(value: unknown, shown: Tree): unknown {
  if (Array.isArray(value)) return value.filter(isContainer).map(item => include(item, shown))
  return mapMembers(value as object, (key, member) => {
    const below = shown.fields.get(key)
    if (below === true) return { value: member }
    return below && isContainer(member) ? { value: include(member, below) } : undefined
  })
}

function exclude(value: unknown, hidden: Tree): unknown {
  if (Array.isArray(value)) return value.map(item => exclude(item, hidden))
  if (!isPlainObject(value)) return value
  return mapMembers(value, (key, member) => {
    const below = hidden.fields.get(key)
    if (below === true) return undefined
    return { value: below ? exclude(member, below) : member }
  })
}

function mapMembers(
  source: object,
  map: (key: string, member: unknown) => { readonly value: unknown } | undefined,
): object {
  const copy = {}
  for (const [key, member] of Object.entries(source)) {
    const mapped = map(key, member)
    if (mapped) Object.defineProperty(copy, key, { ...mapped, enumerable: true })
  }
  return copy
}

function isContainer(value: unknown): value is object {
  return Array.isArray(value) || isPlainObject(value)
}
