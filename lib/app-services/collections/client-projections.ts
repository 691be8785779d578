import { refused, wrongArgument } from './collection-errors.js'
import { showName } from './client-filters.js'
import { isPlainObject, toNumber } from '../wire/values.js'
import type { PlainObject } from '../wire/values.js'

/** A tree of the paths of a projection. `null`: the path ends here. */
type Paths = Map<string, Paths | null>

/** Gives the part of a document that a client asked for. */
export type Projection = (document: PlainObject) => PlainObject

/**
 * Parses the projection of a client: fields to include or to exclude, as `find()` of MongoDB takes them. Operators and
 * computed fields are not supported, because they could show a field that may not be read under another name.
 *
 * @throws AppServicesError `InvalidParameter` or `MongoDBError`
 */
export function parseProjection(given: unknown = {}): Projection {
  if (!isPlainObject(given)) throw wrongArgument('the projection must be an object')
  const fields = flatten(given)
  const ofId = fields.find(({ path }) => path === '_id')
  const others = fields.filter(field => field !== ofId)
  const [first] = others
  const includes = first?.includes ?? ofId?.includes ?? false
  if (others.some(field => field.includes !== includes))
    throw refused('a projection either includes or excludes fields; only _id may differ')
  const paths = toPaths(others)
  // `_id` is there unless it is excluded by name.
  if (includes ? ofId?.includes !== false : ofId?.includes === false) paths.set('_id', null)
  return document => (includes ? include(document, paths) : exclude(document, paths))
}

interface Field {
  readonly path: string
  readonly includes: boolean
}

/** `{ a: { b: 1 } }` means the same as `{ 'a.b': 1 }`. */
function flatten(given: PlainObject, prefix = ''): Field[] {
  return Object.entries(given).flatMap(([name, value]) => {
    const path = `${prefix}${name}`
    if (name === '' || name.split('.').some(step => step === '' || step.startsWith('$')))
      throw refused(`the path ${showName(path)} is not supported in a projection`)
    if (
      isPlainObject(value) &&
      Object.keys(value).length > 0 &&
      Object.keys(value).every(key => !key.startsWith('$'))
    )
      return flatten(value, `${path}.`)
    return [{ path, includes: toBoolean(value, path) }]
  })
}

function toBoolean(value: unknown, path: string): boolean {
  if (typeof value === 'boolean') return value
  const number = toNumber(value)
  if (Number.isNaN(number))
    throw refused(`the projection of ${showName(path)} is not supported: write 1, 0, true or false`)
  return number !== 0
}

function toPaths(fields: readonly Field[]): Paths {
  const paths: Paths = new Map()
  for (const { path } of fields) {
    const steps = path.split('.')
    let node = paths
    for (const [index, step] of steps.entries()) {
      const isLast = index === steps.length - 1
      const next = node.get(step)
      if (next !== undefined && (isLast || next === null))
        throw refused(`the path ${showName(path)} collides with another path of the projection`)
      const inner = next ?? (isLast ? null : new Map<string, Paths | null>())
      node.set(step, inner)
      if (inner) node = inner
    }
  }
  return paths
}

function include(document: PlainObject, paths: Paths): PlainObject {
  return pick(document, (name, value) => {
    const node = paths.get(name)
    if (node === undefined) return undefined
    return node === null ? { value } : inside(value, node, include, true)
  })
}

function exclude(document: PlainObject, paths: Paths): PlainObject {
  return pick(document, (name, value) => {
    const node = paths.get(name)
    if (node === undefined) return { value }
    return node === null ? undefined : inside(value, node, exclude, false)
  })
}

type Kept = { readonly value: unknown } | undefined

/** Paths go through lists to their elements. An element without members is left out by an inclusion, as MongoDB does. */
function inside(
  value: unknown,
  paths: Paths,
  apply: (document: PlainObject, paths: Paths) => PlainObject,
  dropsOthers: boolean,
): Kept {
  if (isPlainObject(value)) return { value: apply(value, paths) }
  if (!Array.isArray(value)) return dropsOthers ? undefined : { value }
  const elements = (value as unknown[]).map(element => inside(element, paths, apply, dropsOthers))
  return { value: elements.flatMap(element => (element ? [element.value] : [])) }
}

function pick(document: PlainObject, choose: (name: string, value: unknown) => Kept): PlainObject {
  const kept = Object.entries(document).flatMap(([name, value]): [string, unknown][] => {
    const chosen = choose(name, value)
    return chosen ? [[name, chosen.value]] : []
  })
  return Object.fromEntries(kept)
}
