import { types } from 'node:util'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { hasCode, hasLabel, SERVER_ERRORS } from '../mongo/server-errors.js'

const { duplicateKey, documentValidationFailure, maxTimeMSExpired } = SERVER_ERRORS

/** Whether an insert failed because a document with the user's id, or with the `_id` made for the user, exists. */
export function isDuplicateUser(error: unknown, userIdField: string): boolean {
  if (!hasCode(error, duplicateKey)) return false
  const { keyPattern } = error as { readonly keyPattern?: object }
  return Object.keys(keyPattern ?? {}).every(field => field === '_id' || field === userIdField)
}

/**
 * Converts a failure of a write. Refusals by the team's indexes or validator and timeouts become errors of this package. Any
 * other refusal of MongoDB is a mistake in the change, so the driver's error is kept: it names the mistake.
 */
export function toWriteError(cause: unknown): unknown {
  const ours = asCustomUserDataError(cause)
  if (ours) return ours
  if (hasCode(cause, duplicateKey)) {
    const message = 'Another document has the same value in a field that must be unique.'
    return new CustomUserDataError('custom_data_conflict', message, { cause })
  }
  if (hasCode(cause, documentValidationFailure)) {
    const message = "The collection's validator refuses the custom data."
    return new CustomUserDataError('custom_data_refused', message, { cause })
  }
  if (isTypeError(cause) || isRefusal(cause)) return cause
  const message = 'Custom data could not be written in time. The write may still have happened.'
  return new CustomUserDataError('custom_data_unavailable', message, { cause })
}

/** Whether this package, and not MongoDB, found the mistake in the change. */
function isTypeError(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'TypeError'
}

/** Whether the server refused the write. A server that is away, out of time or no longer primary does not refuse. */
function isRefusal(error: unknown): boolean {
  if (!types.isNativeError(error) || error.name !== 'MongoServerError' || hasCode(error, maxTimeMSExpired))
    return false
  return !hasLabel(error, 'RetryableWriteError')
}
