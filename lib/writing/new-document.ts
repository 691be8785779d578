import { hash } from 'node:crypto'
import type { Document, ObjectId } from 'mongodb'
import { CustomUserDataError } from '../errors.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { valueAt, withValueAt } from './field-names.js'
import { isDuplicateUser } from './write-errors.js'
import type { WriteTask } from './writer.js'

/** What a new document is known by. */
export interface NewIdentity {
  /** `undefined`: the driver makes one up. */
  readonly documentId: ObjectId | undefined
  /** The user's id in the form that the team prefers. */
  readonly userIdValue: unknown
}

const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

/**
 * Has a document made for a user who has none. Of any number of parallel attempts one succeeds, with a unique index on
 * the user id field or without: they all use the same `_id`. Where a document of somebody else has it already, one is
 * made up. `false`: the user has a document by now.
 */
export async function createOnce(
  { database, userIdField }: { readonly database: TeamDatabase; readonly userIdField: string },
  task: WriteTask,
  attempt: (identity: NewIdentity) => Promise<unknown>,
  hasDocument: () => Promise<boolean>,
): Promise<boolean> {
  const userIdValue = preferredForm(task)
  const ObjectId = await database.objectIdClass(task.signal)
  for (const documentId of [ObjectId.createFromHexString(toHex(task.userId)), undefined]) {
    try {
      task.signal.throwIfAborted()
      await attempt({ documentId, userIdValue })
      return true
    } catch (error) {
      if (!isDuplicateUser(error, userIdField)) throw error
      if (await hasDocument()) return false
    }
  }
  return false
}

/** The `_id` that a user's first document gets: the user's own id where it can be one, else made of its digest. */
function toHex(userId: string): string {
  return OBJECT_ID_HEX.test(userId) ? userId : hash('sha256', userId, 'hex').slice(0, 24)
}

function preferredForm({ values }: Pick<WriteTask, 'values'>): unknown {
  if (values.length > 0) return values[0]
  throw new CustomUserDataError(
    'callback_failed',
    'toFieldValues returned an empty list for this user, so no document can be created. Return the value to store in it.',
  )
}

/** The document to insert; where the user id field is `_id`, that is its `_id`. */
export function toNewDocument(identity: NewIdentity, document: Document, userIdField: string): Document {
  const { documentId, userIdValue } = identity
  const fixedId = documentId === undefined ? {} : { _id: documentId }
  return { ...fixedId, ...withUserId(document, userIdField, userIdValue) }
}

/** The filter of an upsert that makes such a document. */
export function toUpsertFilter({ documentId, userIdValue }: NewIdentity, userIdField: string): Document {
  const fixedId = documentId === undefined ? {} : { _id: { $eq: documentId } }
  return { ...fixedId, [userIdField]: { $eq: userIdValue } }
}

/** A document that was read may be written back, with the user's id in it; but not with another's. */
export function withUserId(document: Document, userIdField: string, userIdValue: unknown): Document {
  const given = valueAt(document, userIdField)
  if (given !== undefined && !isSameId(given, userIdValue)) {
    throw new TypeError(`The document must not change "${userIdField}": the user is known by it.`)
  }
  return withValueAt(document, userIdField, userIdValue)
}

/** Also where one is text and the other is not: it is written in the form that it has. */
function isSameId(id: unknown, other: unknown): boolean {
  return String(id) === String(other)
}
