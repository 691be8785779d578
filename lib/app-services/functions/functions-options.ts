import type { RuleExpression } from '../../index.js'
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
