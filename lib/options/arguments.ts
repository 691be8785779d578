import * as v from 'valibot'
import { isObject, isPlainObject } from '../util/plain-object.js'
import { describeType } from '../util/describe-value.js'
import { OptionError } from '../errors.js'
import { explain } from './explain.js'

/**
 * Parses the options of a function once, into a complete object. Later changes to `given` do not change it. Throws an
 * `OptionError` that names `callee`.
 */
export function parseArgument<Parsed>(
  callee: string,
  schema: v.GenericSchema<object, Parsed>,
  given: unknown = {},
): Parsed {
  refuseRequest(callee, given)
  const result = v.safeParse(schema, given)
  if (!result.success) throw explain(callee, result.issues)
  return result.output
}

/** Checks the first argument of a function. The message ends with `says`, which tells what to write instead. */
export function requireArgument(callee: string, isRight: boolean, given: unknown, says: string): void {
  refuseRequest(callee, given)
  if (!isRight)
    throw new OptionError(`${callee}: the first argument: ${says} (given: ${describeType(given)}).`)
}

/** Throws if a function without parameters was given an argument, because the argument would have no effect. */
export function refuseArguments(callee: string, given: readonly unknown[]): void {
  const first = given.find(value => value !== undefined)
  refuseRequest(callee, first)
  if (first !== undefined) throw takesNoOptions(callee, first)
}

/**
 * Throws if options were given to a function that takes none. Other arguments are ignored, because the function may be a
 * callback that gets other arguments, as in `process.once('SIGTERM', userData.close)`.
 */
export function refuseOptions(callee: string, given: readonly unknown[]): void {
  const options = given.find(isPlainObject)
  if (options) throw takesNoOptions(callee, options)
}

function takesNoOptions(callee: string, given: unknown): OptionError {
  return new OptionError(`${callee}: takes no options (given: ${describeType(given)}). Write ${callee}.`)
}

/** Express calls a function with a request if the app mounted the function itself instead of its result. */
function refuseRequest(callee: string, given: unknown): void {
  if (!isObject(given) || !('headers' in given && 'method' in given && 'url' in given)) return
  throw new OptionError(`${callee}: got a request instead of options. Write ${callee} with parentheses.`)
}
