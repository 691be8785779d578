import * as v from 'valibot'
import { compileRule, OptionError } from '../../index.js'
import type { Rule, RuleExpression } from '../../index.js'
import { aFunction, aWholeNumber, membersOf } from '../check-options.js'
import type { UserObject } from '../users/user-object.js'
import type { RequestOrigin } from '../wire/request-facts.js'

/** The first argument of a function. */
export interface FunctionContext {
  /** The user who calls. It is a copy, with the custom data as of the last refresh of the access token. */
  readonly user: UserObject
  /** The request of the call. */
  readonly request: RequestOrigin
  /**
   * Aborts when the function takes too long and when the client is gone. In a stream it also aborts when the access token is
   * not valid any more, and at `close()`.
   */
  readonly signal: AbortSignal
}

interface WithHandler {
  handle(this: void, context: FunctionContext, ...args: unknown[]): unknown
}

/**
 * A function that clients call. It returns a value, or a promise of one. For `callFunctionStreaming()` it returns an iterable,
 * an async iterable or a readable stream of values.
 */
export type FunctionHandler = WithHandler['handle']

/** A function with a rule. */
export interface GuardedFunction {
  /** The function. */
  readonly handler: FunctionHandler
  /**
   * Who may call the function. The rule knows the user and the request, but not the arguments.
   * @default true
   * @example { '%%user.custom_data.role': 'admin' }
   */
  readonly canEvaluate?: RuleExpression | undefined
}

/** Options of functions that clients call. */
export interface FunctionsOptions {
  /**
   * The functions that logged-in users call by `user.callFunction(name, …)` or `user.functions.name(…)`. Arguments are what
   * a stranger's client sends: check them. Errors of the classes `Error` and `AppServicesError` reach the client with their
   * text, others do not.
   * @default none
   * @example
   * functions: {
   *   addTodo: async ({ user }, text) => addTodo(user.id, String(text)),
   *   removeAll: { handler: () => removeAll(), canEvaluate: { '%%user.custom_data.role': 'admin' } },
   * }
   */
  readonly functions?: Readonly<Record<string, FunctionHandler | GuardedFunction>> | undefined
  /**
   * Milliseconds that a function may take, also `confirmationFunction`, `resetFunction` and, for a link, `customFunction`. After
   * them the client gets `ExecutionTimeLimitExceeded`. A stream must begin in that time, and may then go on.
   * @default 90,000
   */
  readonly functionTimeoutMs?: number | undefined
  /**
   * The most bytes of the result of a function, and of one value of a stream.
   * @default 16,777,216
   */
  readonly maxResultBytes?: number | undefined
  /**
   * The most streams that one user can have open at this process. More are refused with `LimitExceeded`.
   * @default 50
   */
  readonly maxStreamsPerUser?: number | undefined
}

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
