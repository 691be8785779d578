import { isNativeError } from 'node:util/types'
import { AppServicesError } from './errors.js'

/**
 * Returns the text of an error that the team's code threw, if a client may see it. A client sees the text of an
 * `AppServicesError` or of a plain `Error` without a code. Other errors may name hosts or values of other users.
 */
export function shownTextOf(error: unknown): string | undefined {
  if (error instanceof AppServicesError) return error.message
  return isPlainError(error) ? error.message : undefined
}

/** `instanceof` would not know the errors of another realm, as Jest has one. */
function isPlainError(error: unknown): error is Error {
  if (!isNativeError(error) || 'code' in error || 'syscall' in error) return false
  const prototype = Object.getPrototypeOf(error) as { readonly constructor?: { readonly name?: unknown } }
  return prototype.constructor?.name === 'Error' && typeof error.message === 'string'
}
