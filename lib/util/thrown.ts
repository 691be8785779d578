import { isNativeError } from 'node:util/types'

/** A class of errors of this package. */
type ErrorClass<T> = abstract new (...given: never[]) => T

/** What a callback threw, as an error. Never throws, whatever the value is. */
export function toError(thrown: unknown): Error {
  return isNativeError(thrown) ? thrown : new Error(describeThrown(thrown))
}

/** What a callback threw, as a text. Never throws: an object may have no `toString`, or one that throws. */
export function describeThrown(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return `a value of the type ${typeof thrown} that cannot be shown as a text`
  }
}

/** Whether what was thrown is an error of a class. Never throws: not even the prototype of a revoked proxy can be read. */
export function isThrown<T>(errorClass: ErrorClass<T>, thrown: unknown): thrown is T {
  try {
    return thrown instanceof errorClass
  } catch {
    return false
  }
}
