import type { Parts } from '../parts.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { toUserObject } from '../users/user-object.js'
import type { UserObject } from '../users/user-object.js'
import { AppServicesError, invalidSession } from '../wire/errors.js'
import { freshCopy } from '../wire/fresh-copy.js'
import { requestOriginOf } from '../wire/request-origin.js'
import type { Command } from './command.js'
import { toFunctionError } from './function-errors.js'
import type { FunctionContext } from './functions-options.js'
import { callInTime } from './in-time.js'
import { toValues } from './to-values.js'

type FunctionParts = Pick<Parts, 'config' | 'users' | 'extendedJson' | 'bson' | 'report'>

/** A call of a function, ready to run. */
interface PreparedCall {
  /** Calls the function. */
  readonly run: (signal: AbortSignal) => unknown
  /** Makes the error that the client gets. */
  readonly toError: (error: unknown) => AppServicesError
}

/** The functions of the team. */
export class TeamFunctions {
  readonly #parts: FunctionParts

  constructor(parts: FunctionParts) {
    this.#parts = parts
  }

  /**
   * Calls a function, and converts its result by `toJson`.
   * @throws AppServicesError
   */
  async call(
    caller: Caller,
    call: Call,
    command: Command,
    toJson: (result: unknown) => string,
  ): Promise<string> {
    const { run, toError } = await this.#prepare(caller, call, command)
    const controller = new AbortController()
    const abort = (reason: Error) => {
      controller.abort(reason)
    }
    const leave = () => {
      abort(new Error('The client is gone.'))
    }
    call.res.once('close', leave)
    try {
      return toJson(await this.#callInTime(command.name, call, abort, () => run(controller.signal)))
    } catch (error) {
      throw toError(error)
    } finally {
      call.res.off('close', leave)
    }
  }

  /**
   * Calls a function that returns a stream of values.
   * @throws AppServicesError
   */
  async open(
    caller: Caller,
    call: Call,
    command: Command,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const { run, toError } = await this.#prepare(caller, call, command)
    try {
      // The answer to an error ends the stream, which aborts the signal.
      return toValues(
        await this.#callInTime(
          command.name,
          call,
          () => undefined,
          () => run(signal),
        ),
      )
    } catch (error) {
      throw toError(error)
    }
  }

  /** Makes the error that a client gets for an error of a function, and reports an unexpected one. */
  toError(name: string, error: unknown, call: Call): AppServicesError {
    return toFunctionError(name, error, unexpected => {
      this.#parts.report(unexpected, call.req)
    })
  }

  async #prepare(caller: Caller, call: Call, { name, arguments: args }: Command): Promise<PreparedCall> {
    const { config, extendedJson } = this.#parts
    const teamFunction = config.functions.get(name)
    if (!teamFunction) throw new AppServicesError('FunctionNotFound', `function not found: '${name}'`)
    const values = extendedJson.parse(args, 'plain') as unknown[]
    const user = await this.#userOf(caller)
    if (!teamFunction.mayCall({ ...factsOf(user), request: requestFactsOf(call) }))
      throw new AppServicesError('NoMatchingRuleFound', `no rule allows this call of the function '${name}'`)
    const context: Omit<FunctionContext, 'signal'> = { user, request: requestOriginOf(call) }
    return {
      run: signal => teamFunction.handler({ ...context, signal }, ...values),
      toError: error => this.toError(name, error, call),
    }
  }

  async #userOf({ userId, customData, type }: Caller): Promise<UserObject> {
    const { users, bson } = this.#parts
    const user = await users.findById(userId)
    // The refresh of such a session fails, so the client stops after one round.
    if (!user) throw invalidSession('the user does not exist any more')
    return freshCopy(toUserObject(user, customData, type), bson())
  }

  async #callInTime(
    name: string,
    call: Call,
    abort: (reason: Error) => void,
    operate: () => unknown,
  ): Promise<unknown> {
    const { config, report } = this.#parts
    return callInTime(config.functionTimeoutMs, abort, operate).catch((error: unknown) => {
      if (error instanceof AppServicesError && error.code === 'ExecutionTimeLimitExceeded')
        report(new Error(`The function '${name}' took longer than "functionTimeoutMs".`), call.req)
      throw error
    })
  }
}

function factsOf({ id, custom_data, data, type }: UserObject) {
  return { userId: id, customData: custom_data, userData: data, userType: type }
}

function requestFactsOf({ req, address, query }: Call) {
  return {
    method: req.method,
    ip: address,
    rawQueryString: query.toString(),
    header: (name: string) => req.headers[name],
    param: () => undefined,
  }
}
