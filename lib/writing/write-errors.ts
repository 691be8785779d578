import { types } from 'node:util'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { isRefusal, toDatabaseError } from '../mongo/database-errors.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'

const { duplicateKey, documentValidationFailure, overflow, bsonObjectTooLarge } = SERVER_ERRORS

/** Whether an insert failed because a document with the user's id, or with the `_id` made for the user, exists. */
export function isDuplicateUser(error: unknown, userIdField: string): boolean {
  if (!hasCode(error, duplicateKey)) return false
  return keysOf(error).every(field => field === '_id' || field === userIdField)
}

/** Whether an insert failed because another document has the `_id`. */
export function isTakenDocumentId(error: unknown): boolean {
  return hasCode(error, duplicateKey) && keysOf(error).includes('_id')
}

/** The fields of the unique index that refused a write. */
function keysOf(error: unknown): string[] {
  const { keyPattern } = error as { readonly keyPattern?: object }
  return Object.keys(keyPattern ?? {})
}

/**
 * Converts a failure of a write, or of a read that belongs to it. The new data may be refused by the team's indexes, by the
 * validator or for its size. Any other refusal is a mistake in the change, which the `cause` names. Mistakes that this
 * package has found itself stay a `TypeError`.
 */
export function toWriteError(cause: unknown): Error {
  if (asCustomUserDataError(cause) || isTypeError(cause)) return cause as Error
  if (hasCode(cause, duplicateKey)) {
    const message = 'Another document has the same value in a field that must be unique.'
    return new CustomUserDataError('custom_data_conflict', message, { cause })
  }
  if (hasCode(cause, documentValidationFailure)) {
    const message = "The collection's validator refuses the custom data."
    return new CustomUserDataError('custom_data_refused', message, { cause })
  }
  if (hasCode(cause, overflow)) {
    const message = 'The custom data has more levels than MongoDB can store.'
    return new CustomUserDataError('custom_data_refused', message, { cause })
  }
  if (hasCode(cause, bsonObjectTooLarge)) {
    return new CustomUserDataError('payload_too_large', 'The custom data would exceed 16 MiB.', { cause })
  }
  if (isRefusal(cause)) {
    const message = 'MongoDB or its driver refuses the change. The cause says why.'
    return new CustomUserDataError('write_refused', message, { cause })
  }
  const message = 'Custom data could not be written in time. The write may still have happened.'
  return toDatabaseError(cause, { code: 'custom_data_unavailable', message })
}

/** Whether this package, and not MongoDB, found the mistake in the change. */
function isTypeError(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'TypeError'
}
