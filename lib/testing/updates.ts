import type { Document } from 'mongodb'
import { withValueAt } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import { needsRealMongoDb } from './real-mongodb.js'

/** A document, or an object inside of it, while an update is applied. */
type Holder = Record<string, unknown>

/**
 * Applies `$set` and `$unset` to a document and returns the new one.
 *
 * @throws `real_mongodb_needed` for another operator, and for a path through a value that is no object
 */
export function applyUpdate(document: Document, update: Document): Document {
  let changed = document
  for (const [operator, paths] of Object.entries(update)) {
    for (const [path, value] of Object.entries(paths as object)) {
      requirePathThroughObjects(changed, path)
      if (operator === '$set') changed = withValueAt(changed, path, value)
      else if (operator === '$unset') changed = withoutValueAt(changed, path.split('.'))
      else throw needsRealMongoDb(`an update with ${operator}`)
    }
  }
  return changed
}

/** Through an array a step is an index, and through another value MongoDB refuses to set. */
function requirePathThroughObjects(document: Document, path: string): void {
  let value: unknown = document
  for (const step of path.split('.').slice(0, -1)) {
    value = Object.hasOwn(value as object, step) ? (value as Holder)[step] : undefined
    if (value === undefined) return
    if (!isPlainObject(value))
      throw needsRealMongoDb(`an update of "${path}", because "${step}" is no object`)
  }
}

function withoutValueAt(document: Document, [step = '', ...rest]: readonly string[]): Document {
  if (!Object.hasOwn(document, step)) return document
  if (rest.length > 0) return { ...document, [step]: withoutValueAt(document[step] as Document, rest) }
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== step))
}
