import { isNativeError } from 'node:util/types'

/** A class of errors of this package. */
type ErrorClass<T> = abstract new (...given: never[]) => T

/** Converts a thrown value to an error. Never throws, whatever the value is. */
export function toError(thrown: unknown): Error {
  return isNativeError(thrown) ? thrown : new Error(describeThrown(thrown))
}

/** Converts a thrown value to a text. Never throws, not even for an object without `toString` or with one that throws. */
export function describeThrown(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return `a value of the type ${typeof thrown} that cannot be shown as a text`
  }
}

/** Whether a thrown value is an error of a class. Never throws, not even for a revoked proxy, where `instanceof` throws. */
export function isThrown<T>(errorClass: ErrorClass<T>, thrown: unknown): thrown is T {
  try {
    return thrown instanceof errorClass
  } catch {
    return false
  }
}
