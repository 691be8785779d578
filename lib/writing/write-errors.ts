import { types } from 'node:util'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { hasCode, hasLabel, SERVER_ERRORS } from '../mongo/server-errors.js'

const { duplicateKey, documentValidationFailure, maxTimeMSExpired } = SERVER_ERRORS

/** Whether an insert failed because the user, or the document made for the user, is there already. */
export function isDuplicateUser(error: unknown, userIdField: string): boolean {
  if (!hasCode(error, duplicateKey)) return false
  const { keyPattern } = error as { readonly keyPattern?: object }
  return Object.keys(keyPattern ?? {}).every(field => field === '_id' || field === userIdField)
}

/**
 * What the team's indexes or validator refuse, and what could not be done in time, are errors of ours. What else
 * MongoDB refuses is a mistake in the change: the driver's error says which.
 */
export function toWriteError(cause: unknown): unknown {
  const ours = asCustomUserDataError(cause)
  if (ours) return ours
  if (hasCode(cause, duplicateKey)) {
    const message = 'A value that must be unique is taken.'
    return new CustomUserDataError('custom_data_conflict', message, { cause })
  }
  if (hasCode(cause, documentValidationFailure)) {
    const message = "The collection's validator refuses the custom data."
    return new CustomUserDataError('custom_data_refused', message, { cause })
  }
  if (isTypeError(cause) || isRefusal(cause)) return cause
  const message = 'Custom data could not be written in time; it may have been written all the same.'
  return new CustomUserDataError('custom_data_unavailable', message, { cause })
}

/** Whether this package, and not MongoDB, found the mistake in the change. */
function isTypeError(error: unknown): boolean {
  return types.isNativeError(error) && error.name === 'TypeError'
}

/** The server's no, as opposed to its being away, changing roles, or out of time. */
function isRefusal(error: unknown): boolean {
  if (!types.isNativeError(error) || error.name !== 'MongoServerError' || hasCode(error, maxTimeMSExpired))
    return false
  return !hasLabel(error, 'RetryableWriteError')
}
