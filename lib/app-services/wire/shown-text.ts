import { isNativeError } from 'node:util/types'
import { AppServicesError } from './errors.js'

/**
 * The text of an error of the team, if a client may see it; otherwise `undefined`. Errors of other classes, and those that
 * carry a code as the errors of Node do, may name hosts or values of others.
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
