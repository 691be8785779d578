import type { Document } from 'mongodb'
import type { WrittenEvent } from '../audit-events.js'
import type { Loader } from '../documents/loader.js'
import { parseWriteOptions } from '../options/writes.js'
import { describeType } from '../util/describe-value.js'
import { isPlainFieldName, pathsOverlap } from '../util/field-names.js'
import { isPlainObject } from '../util/plain-object.js'
import type { Writer } from './writer.js'

/**
 * Update operators of MongoDB.
 *
 * @example { $set: { language: 'en' }, $inc: { logins: 1 } }
 */
export type UpdateOperators = Readonly<Record<`$${string}`, Readonly<Record<string, unknown>>>>

/** Options of `forUser().update()` and `forUser().replace()`. */
export interface WriteOptions {
  /**
   * Whether to create a document for a user who has none.
   * @default false
   */
  readonly upsert?: boolean | undefined
  /**
   * Whether to drop the user's snapshots in this process. Write `false` for fields that no handler needs fresh, such as the
   * time of the last login.
   * @default true
   */
  readonly invalidate?: boolean | undefined
}

/**
 * The document of one user, for server code: the document that `req.user.customData` is read from. Writes are not checked
 * against the schema, the size limit or the fields of `ownData()`. Each method returns the document as handlers get it,
 * read after the write.
 *
 * All methods reject with `custom_data_unavailable` (503) if MongoDB does not answer in time; a write may still have
 * happened then. If MongoDB refuses a change, such as an unknown operator, they reject with `write_refused` (500). Every
 * error of MongoDB becomes an error of this package, with the driver's error as its `cause`.
 */
export interface UserDocument<CustomData> {
  /**
   * Reads the document from MongoDB, not from a snapshot.
   * @returns `undefined` if the user has no document
   * @throws `custom_data_too_large` or `custom_data_invalid` (500) if handlers could not get this document either
   */
  read: () => Promise<CustomData | undefined>
  /**
   * Sets fields, or applies update operators. A field with the value `undefined` is left alone. `_id` and the user id field
   * cannot be changed.
   * @returns `undefined` if the user has no document and `upsert` is not set
   * @throws TypeError for fields and operators at once, and for a change of `_id` or of the user id field;
   * `custom_data_conflict` (409) if a unique index refuses the value; `custom_data_refused` (422) if the collection's
   * validator refuses it
   * @example
   * await userData.forUser(id).update({ language: 'en' })
   * await userData.forUser(id).update({ $inc: { credits: 5 } }, { upsert: true })
   */
  update: (
    change: Partial<CustomData> | UpdateOperators,
    options?: WriteOptions,
  ) => Promise<CustomData | undefined>
  /**
   * Replaces all fields but `_id` and the user's id.
   * @returns `undefined` if the user has no document and `upsert` is not set
   * @throws TypeError for operators, and for another user's id; `custom_data_conflict` (409) and `custom_data_refused`
   * (422) as in {@link update}
   * @example
   * const user = userData.forUser(id)
   * const { trial, ...kept } = (await user.read()) ?? {}
   * await user.replace(kept)
   */
  replace: (document: Partial<CustomData>, options?: WriteOptions) => Promise<CustomData | undefined>
  /**
   * Removes the document. If the user has several documents, the next one is used from then on.
   * @returns whether there was a document
   */
  delete: () => Promise<boolean>
}

/** Creates what `forUser()` returns. `onDeleted` is called after a document was removed. */
export function createUserDocument(
  userId: string,
  {
    userIdField,
    writer,
    loader,
    onWritten,
  }: {
    readonly userIdField: string
    readonly writer: Writer
    readonly loader: Loader
    readonly onWritten: (userId: string, change: WrittenEvent['change']) => void
  },
): UserDocument<object> {
  async function read(): Promise<object | undefined> {
    const { exists, data } = await loader.load(userId)
    return exists ? data : undefined
  }

  return {
    read,
    async update(change, options) {
      const operators = toOperators(change, userIdField)
      const mode = parseWriteOptions('forUser().update()', options)
      if (!(await writer.update(userId, operators, mode))) return undefined
      onWritten(userId, 'update')
      return read()
    },
    async replace(document, options) {
      const replacement = toReplacement(document)
      const mode = parseWriteOptions('forUser().replace()', options)
      if (!(await writer.replace(userId, replacement, mode))) return undefined
      onWritten(userId, 'replace')
      return read()
    },
    async delete() {
      const isDeleted = await writer.delete(userId)
      if (isDeleted) onWritten(userId, 'delete')
      return isDeleted
    },
  }
}

/** Returns the update operators of a change, and refuses a change of the fields that identify the document. */
function toOperators(change: unknown, userIdField: string): Document {
  if (!isPlainObject(change)) {
    throw wrong(
      'update',
      `the change is ${describeType(change)}: write an object of fields or of update operators`,
    )
  }
  const names = Object.keys(change)
  const operators = names.filter(name => name.startsWith('$'))
  if (operators.length === 0) return { $set: toFields(change, userIdField) }
  if (operators.length < names.length) {
    throw wrong('update', 'the change has fields and operators: write one of the two')
  }
  for (const [operator, paths] of Object.entries(change)) {
    for (const path of pathsOf(operator, paths)) refuseIdentity(path, userIdField)
  }
  return change
}

function toFields(fields: object, userIdField: string): Document {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  for (const [name] of given) {
    if (!isPlainFieldName(name)) {
      throw wrong('update', `"${name}" is not the name of a field: write { $set: … } to change a path`)
    }
    refuseIdentity(name, userIdField)
  }
  return Object.fromEntries(given)
}

/** The paths that an operator changes. `$rename` also changes the paths in its values. */
function pathsOf(operator: string, paths: unknown): string[] {
  if (!isPlainObject(paths)) {
    throw wrong('update', `${operator} is ${describeType(paths)}: write an object of fields`)
  }
  return [...Object.keys(paths), ...(operator === '$rename' ? Object.values(paths).map(String) : [])]
}

function refuseIdentity(path: string, userIdField: string): void {
  for (const identity of ['_id', userIdField]) {
    if (pathsOverlap(path, identity)) {
      throw wrong('update', `"${path}" cannot be changed, because it identifies the document: leave it out`)
    }
  }
}

function toReplacement(document: unknown): Document {
  if (isPlainObject(document) && !Object.keys(document).some(name => name.startsWith('$'))) return document
  const given = isPlainObject(document) ? 'has operators' : `is ${describeType(document)}`
  throw wrong('replace', `the document ${given}: write an object of fields`)
}

function wrong(method: string, message: string): TypeError {
  return new TypeError(`forUser(userId).${method}: ${message}.`)
}
