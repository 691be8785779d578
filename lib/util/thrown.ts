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

/** Values with which Express and passport go on as if there was no error. */
const NO_ERRORS: readonly unknown[] = ['route', 'router', 'strategy']

/**
 * A thrown value for `next`, which takes some values for leave to go on: `undefined` and other empty values, and the names of
 * Express, such as `route`. They become an error, so that a throw never lets a request through.
 */
export function toNextError(thrown: unknown): unknown {
  const passes = !thrown || NO_ERRORS.includes(thrown)
  return passes ? new Error(`A value that is no error was thrown: ${describeThrown(thrown)}`) : thrown
}

/** Whether a thrown value is an error of a class. Never throws, not even for a revoked proxy, where `instanceof` throws. */
export function isThrown<T>(errorClass: ErrorClass<T>, thrown: unknown): thrown is T {
  try {
    return thrown instanceof errorClass
  } catch {
    return false
  }
}

/** Reads a member of a thrown value. A getter of the value may throw, and a revoked proxy always throws. */
export function readMember(thrown: unknown, member: string): unknown {
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) return undefined
  try {
    return Reflect.get(thrown, member)
  } catch {
    return undefined
  }
}
