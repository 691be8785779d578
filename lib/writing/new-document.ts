import { hash } from 'node:crypto'
import type { Document, ObjectId } from 'mongodb'
import { CustomUserDataError } from '../errors.js'
import { valueAt, withValueAt } from '../util/field-names.js'

/** The values that identify a new document. */
export interface NewIdentity {
  /** `undefined` lets the driver generate the `_id`. */
  readonly documentId: ObjectId | undefined
  /** The user's id as it is stored in the user id field. */
  readonly userIdValue: unknown
}

const OBJECT_ID_HEX = /^[0-9a-f]{24}$/

/**
 * The `_id` of a user's first document as hex digits: the user id itself if it has the form of an ObjectId, else the
 * start of its SHA-256. All processes use the same `_id`, so of several parallel inserts only one succeeds.
 */
export function toFirstDocumentId(userId: string): string {
  return OBJECT_ID_HEX.test(userId) ? userId : hash('sha256', userId, 'hex').slice(0, 24)
}

/** @throws `callback_failed` if `toFieldValues` returned no value to store in the user id field */
export function requireUserIdValues(values: readonly unknown[]): readonly unknown[] {
  if (values.length > 0) return values
  throw new CustomUserDataError(
    'callback_failed',
    'toFieldValues returned an empty list for this user, so no document can be created. Return the value to store in it.',
  )
}

/** The document to insert. If the user id field is `_id`, the user's id takes the place of the fixed `_id`. */
export function toNewDocument(identity: NewIdentity, document: Document, userIdField: string): Document {
  const { documentId, userIdValue } = identity
  const fixedId = documentId === undefined ? {} : { _id: documentId }
  return { ...fixedId, ...withUserId(document, userIdField, userIdValue) }
}

/** The filter of an upsert that creates the document with this identity. */
export function toUpsertFilter({ documentId, userIdValue }: NewIdentity, userIdField: string): Document {
  const fixedId = documentId === undefined ? {} : { _id: { $eq: documentId } }
  return { ...fixedId, [userIdField]: { $eq: userIdValue } }
}

/**
 * Adds the user's id to a document. The document may contain the id already, since teams write back documents that they
 * have read.
 * @throws TypeError if it contains another user's id
 */
export function withUserId(document: Document, userIdField: string, userIdValue: unknown): Document {
  const given = valueAt(document, userIdField)
  if (given !== undefined && !isSameId(given, userIdValue)) {
    throw new TypeError(
      `The document has another value in "${userIdField}", the field that identifies the user. Leave the field out, or keep its value.`,
    )
  }
  return withValueAt(document, userIdField, userIdValue)
}

/** A text equals the number or ObjectId with the same digits. The stored form is kept. */
function isSameId(id: unknown, other: unknown): boolean {
  return String(id) === String(other)
}
