import type { Document } from 'mongodb'
import { isPlainFieldName, overlaps } from './field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { Loader } from '../documents/loader.js'
import { parseWriteOptions } from '../options/writes.js'
import type { Writer } from './writer.js'

/** Update operators of MongoDB, as `{ $set: { language: 'en' }, $inc: { logins: 1 } }`. */
export type UpdateOperators = Readonly<Record<`$${string}`, Readonly<Record<string, unknown>>>>

/** Options of a write by the server. */
export interface WriteOptions {
  /**
   * Whether to create a document for a user who has none.
   * @default false
   */
  readonly upsert?: boolean
  /**
   * Whether to drop the user's snapshots in this process. Write `false` for fields that no handler needs fresh, such as the
   * time of the last login.
   * @default true
   */
  readonly invalidate?: boolean
}

/**
 * The document of one user, for code of the server's: the one that `req.user.customData` comes from. Nobody checks what
 * it writes; MongoDB's refusals come as the driver's errors, and what could not be written in time as
 * `custom_data_unavailable`. What is returned is read anew, as handlers get it; `undefined`: the user has no document.
 */
export interface UserDocument<CustomData> {
  read: () => Promise<CustomData | undefined>
  /** Sets fields (those that are undefined are left alone), or applies update operators. */
  update: (
    change: Partial<CustomData> | UpdateOperators,
    options?: WriteOptions,
  ) => Promise<CustomData | undefined>
  /** Replaces all but `_id` and the user's id. */
  replace: (document: Partial<CustomData>, options?: WriteOptions) => Promise<CustomData | undefined>
  /** Removes the document; whether there was one. Of several, the next one is the user's then. */
  delete: () => Promise<boolean>
}

/** What the writes of one user work with. */
export interface ForUserParts {
  readonly userIdField: string
  readonly writer: Writer
  readonly loader: Loader
  /** Called when a document was removed. */
  readonly onDeleted: (userId: string) => void
}

/** Creates `forUser()` for one user. */
export function createUserDocument(userId: string, parts: ForUserParts): UserDocument<object> {
  const { userIdField, writer, loader, onDeleted } = parts

  async function read(): Promise<object | undefined> {
    const { exists, data } = await loader.load(userId)
    return exists ? data : undefined
  }

  return {
    read,
    async update(change, options) {
      const operators = toOperators(change, userIdField)
      const mode = parseWriteOptions('forUser().update()', options)
      return (await writer.update(userId, operators, mode)) ? read() : undefined
    },
    async replace(document, options) {
      const replacement = toReplacement(document)
      const mode = parseWriteOptions('forUser().replace()', options)
      return (await writer.replace(userId, replacement, mode)) ? read() : undefined
    },
    async delete() {
      const isDeleted = await writer.delete(userId)
      if (isDeleted) onDeleted(userId)
      return isDeleted
    },
  }
}

/** Fields to set, or operators; never both, and neither touches what the document is found by. */
function toOperators(change: unknown, userIdField: string): Document {
  if (!isPlainObject(change)) throw wrong('update', 'give an object of fields or of update operators')
  const names = Object.keys(change)
  const operators = names.filter(name => name.startsWith('$'))
  if (operators.length === 0) return { $set: toFields(change, userIdField) }
  if (operators.length < names.length) throw wrong('update', 'give fields or operators, not both')
  for (const [operator, paths] of Object.entries(change)) {
    for (const path of pathsOf(operator, paths)) refuseIdentity(path, userIdField)
  }
  return change
}

function toFields(fields: object, userIdField: string): Document {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  for (const [name] of given) {
    if (!isPlainFieldName(name)) throw wrong('update', `"${name}" is no name of a field; for paths use $set`)
    refuseIdentity(name, userIdField)
  }
  return Object.fromEntries(given)
}

/** What an operator changes: the paths that it names, and those that `$rename` moves them to. */
function pathsOf(operator: string, paths: unknown): string[] {
  if (!isPlainObject(paths)) throw wrong('update', `${operator} takes an object of fields`)
  return [...Object.keys(paths), ...(operator === '$rename' ? Object.values(paths).map(String) : [])]
}

function refuseIdentity(path: string, userIdField: string): void {
  for (const identity of ['_id', userIdField]) {
    if (overlaps(path, identity))
      throw wrong('update', `"${path}" cannot be changed: the user is known by it`)
  }
}

function toReplacement(document: unknown): Document {
  if (isPlainObject(document) && !Object.keys(document).some(name => name.startsWith('$'))) return document
  throw wrong('replace', 'give a document: an object of fields, without operators')
}

function wrong(method: string, message: string): TypeError {
  return new TypeError(`forUser(userId).${method}: ${message}.`)
}
