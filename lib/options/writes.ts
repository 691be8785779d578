import * as v from 'valibot'
import { parseArgument } from './arguments.js'
import { optionsObject } from './options-object.js'
import { AN_OBJECT, trueOrFalse } from './value-schemas.js'

const writeOptions = optionsObject(AN_OBJECT, {
  upsert: v.optional(trueOrFalse, false),
  invalidate: v.optional(trueOrFalse, true),
})

/** Completes the options of a write of `forUser()`, or throws an `OptionError`. */
export function parseWriteOptions(callee: string, given: unknown): v.InferOutput<typeof writeOptions> {
  return parseArgument(callee, writeOptions, given)
}
