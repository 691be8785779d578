import * as v from 'valibot'
import { compileRule, OptionError } from '../../index.js'
import type { Rule, RuleExpression } from '../../index.js'
import { aFunction, aWholeNumber, membersOf } from '../check-options.js'
import type { FunctionHandler } from './functions-options.js'

/** A function of the team, as the routes call it. */
export interface TeamFunction {
  readonly handler: FunctionHandler
  readonly mayCall: Rule
}

/** The most characters of a function's name. */
export const MAX_NAME_LENGTH = 100
const NAME = /^[A-Za-z_][\w/-]*$/
const BAD_NAME = `write names of letters, digits, _, - and /, that begin with a letter or _, of ${MAX_NAME_LENGTH} characters at most`
const OBJECT = 'give an object of functions, as { addTodo: async (context, text) => … }'

const rule = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, Rule>(({ dataset: { value }, addIssue, NEVER }) => {
    try {
      return compileRule(value as RuleExpression)
    } catch (error) {
      if (!(error instanceof OptionError)) throw error
      addIssue({ message: error.message.replace(/^allow\(\): /, '') })
      return NEVER
    }
  }),
)

const guarded = membersOf({
  handler: aFunction<FunctionHandler>(),
  canEvaluate: v.optional(rule, true),
})

const teamFunction = v.lazy(given =>
  typeof given === 'object' && given !== null
    ? v.pipe(
        guarded,
        v.transform(({ handler, canEvaluate }): TeamFunction => ({ handler, mayCall: canEvaluate })),
      )
    : v.pipe(
        aFunction<FunctionHandler>(),
        v.transform((handler): TeamFunction => ({ handler, mayCall: () => true })),
      ),
)

const aName = v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH, BAD_NAME), v.regex(NAME, BAD_NAME))

/** Only own names count, and valibot leaves two of them out of records without a word. */
const hasUsableNames = v.custom<Readonly<Record<string, unknown>>>(
  value =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !['constructor', 'prototype', '__proto__'].some(name => Object.hasOwn(value, name)),
  `${OBJECT}; a function cannot have the name constructor, prototype or __proto__`,
)

/** The schema of {@link FunctionsOptions}, as members of the options of the service. */
export const functionsEntries = {
  functions: v.optional(
    v.pipe(
      hasUsableNames,
      v.record(aName, teamFunction, OBJECT),
      v.transform((functions): ReadonlyMap<string, TeamFunction> => new Map(Object.entries(functions))),
    ),
    {},
  ),
  functionTimeoutMs: v.optional(aWholeNumber(1, 600_000), 90_000),
  maxResultBytes: v.optional(aWholeNumber(1_024, 256 * 1024 * 1024), 16 * 1024 * 1024),
  maxStreamsPerUser: v.optional(aWholeNumber(1, 100_000), 50),
}
