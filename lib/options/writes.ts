import * as v from 'valibot'
import { parseArgument } from './arguments.js'
import { members } from './members.js'
import { AN_OBJECT, trueOrFalse } from './values.js'

const writeOptions = members(AN_OBJECT, {
  upsert: v.optional(trueOrFalse, false),
  invalidate: v.optional(trueOrFalse, true),
})

/** Completes the options of a write of `forUser()`, or throws an `OptionError`. */
export function parseWriteOptions(callee: string, given: unknown): v.InferOutput<typeof writeOptions> {
  return parseArgument(callee, writeOptions, given)
}
