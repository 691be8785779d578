import type { Document } from 'mongodb'
import { pathsOverlap, withValueAt } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { needsRealMongoDb } from './real-mongodb.js'
import { toServerError } from './server-error.js'

/** MongoDB's codes of updates that it refuses. */
const PATH_NOT_VIABLE = 28
const CONFLICTING_UPDATE_OPERATORS = 40

/** An object inside of a document. */
type Holder = Readonly<Record<string, unknown>>

/**
 * Applies `$set` and `$unset` to a document and returns the new one.
 *
 * @throws `real_mongodb_needed` for another operator, and for a path into a list; an error like that of the server for an
 * update that MongoDB refuses
 */
export function applyUpdate(document: Document, update: Document): Document {
  const changes = Object.entries(update).flatMap(([operator, paths]) =>
    Object.entries(paths as object).map(([path, value]) => ({ operator, path, value: value as unknown })),
  )
  refuseOverlaps(changes.map(({ path }) => path))
  let changed = document
  for (const { operator, path, value } of changes) {
    const place = placeOf(changed, path)
    if (place === 'list') throw needsRealMongoDb(`an update of "${path}", which leads into a list`)
    if (operator === '$set') {
      if (place === 'value') throw toServerError(PATH_NOT_VIABLE, `Cannot create the field "${path}"`)
      changed = withValueAt(changed, path, value)
    } else if (operator !== '$unset') {
      throw needsRealMongoDb(`an update with ${operator}`)
    } else if (place === 'object') {
      changed = withoutValueAt(changed, path.split('.'))
    }
  }
  return changed
}

function refuseOverlaps(paths: readonly string[]): void {
  const conflict = paths.find((path, index) => paths.slice(0, index).some(other => pathsOverlap(path, other)))
  if (conflict === undefined) return
  throw toServerError(CONFLICTING_UPDATE_OPERATORS, `Updating the path "${conflict}" would create a conflict`)
}

/** Whether a path leads through objects alone, or through a list or another value. A missing object would be created. */
function placeOf(document: Document, path: string): 'object' | 'list' | 'value' {
  let value: unknown = document
  for (const step of path.split('.').slice(0, -1)) {
    if (!Object.hasOwn(value as object, step)) return 'object'
    value = (value as Holder)[step]
    if (!isPlainObject(value)) return Array.isArray(value) ? 'list' : 'value'
  }
  return 'object'
}

function withoutValueAt(document: Document, [step = '', ...rest]: readonly string[]): Document {
  if (!Object.hasOwn(document, step)) return document
  if (rest.length > 0) return { ...document, [step]: withoutValueAt(document[step] as Document, rest) }
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== step))
}
