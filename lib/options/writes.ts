import * as v from 'valibot'
import type { ReplaceMode, UpdateMode } from '../writing/document-writes.js'
import { parseArgument } from './arguments.js'
import { arrayFilters, filter, projection } from './mongo-expressions.js'
import { optionsObject } from './options-object.js'
import { abortSignal, AN_OBJECT, trueOrFalse } from './value-schemas.js'

const RETURNS = ['after', 'before', 'counts'] as const

const REPLACE = {
  where: v.optional(filter),
  returns: v.optional(v.picklist(RETURNS, 'write "after", "before" or "counts"'), 'after'),
  upsert: v.optional(trueOrFalse, false),
  invalidate: v.optional(trueOrFalse, true),
}
const replaceOptions = optionsObject(AN_OBJECT, REPLACE)
const updateOptions = optionsObject(AN_OBJECT, { ...REPLACE, arrayFilters: v.optional(arrayFilters) })
const deleteOptions = optionsObject(AN_OBJECT, { where: v.optional(filter) })
const findOptions = optionsObject(AN_OBJECT, { projection: v.optional(projection) })
const watchOptions = optionsObject(AN_OBJECT, { signal: v.optional(abortSignal) })

/** Completes the options of `forUser().update()`, or throws an `OptionError`. */
export function parseUpdateOptions(given: unknown): UpdateMode {
  return parseArgument('forUser().update()', updateOptions, given)
}

/** Completes the options of `forUser().replace()`, or throws an `OptionError`. */
export function parseReplaceOptions(given: unknown): ReplaceMode {
  return parseArgument('forUser().replace()', replaceOptions, given)
}

/** Completes the options of `forUser().delete()`, or throws an `OptionError`. */
export function parseDeleteOptions(given: unknown): v.InferOutput<typeof deleteOptions> {
  return parseArgument('forUser().delete()', deleteOptions, given)
}

/** Completes the options of `forUser().find()`, or throws an `OptionError`. */
export function parseFindOptions(given: unknown): v.InferOutput<typeof findOptions> {
  return parseArgument('forUser().find()', findOptions, given)
}

/** Checks the options of `forUser().watch()`, or throws an `OptionError`. */
export function parseWatchOptions(given: unknown): v.InferOutput<typeof watchOptions> {
  return parseArgument('forUser().watch()', watchOptions, given)
}
