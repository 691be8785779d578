import { inTime } from '../in-time.js'
import type { Parts } from '../parts.js'
import { requireUser } from '../router/callers.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { toUserObject } from '../users/user-object.js'
import type { UserObject } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'
import { freshCopy } from '../wire/fresh-copy.js'
import { requestOriginOf } from '../wire/request-facts.js'
import { toFunctionError } from './function-errors.js'
import type { FunctionContext } from './functions-options.js'

type CallParts = Pick<Parts, 'config' | 'users' | 'bson' | 'report'>

/** A call of a function or a handler of the team. */
export interface TeamCall {
  /** The name of the function, or of the collection with the operation. */
  readonly name: string
  readonly user: UserObject
  readonly call: Call
  /** Calls the function. */
  readonly run: (context: FunctionContext) => unknown
}

/** Calls functions and handlers of the team in time, with errors that no client repeats. */
export class TeamCalls {
  readonly #parts: CallParts

  constructor(parts: CallParts) {
    this.#parts = parts
  }

  /**
   * Describes the user of a call. The function may change the object.
   * @throws AppServicesError `InvalidSession` for a user who was deleted
   */
  async userOf({ userId, customData, type }: Caller): Promise<UserObject> {
    const { users, bson } = this.#parts
    const user = await requireUser(users, userId)
    return freshCopy(toUserObject(user, customData, type), bson())
  }

  /**
   * Calls a function, and converts its result. The signal of the function aborts when it takes too long, and when the client is
   * gone.
   * @throws AppServicesError
   */
  async run<Result>(teamCall: TeamCall, convert: (result: unknown) => Result): Promise<Result> {
    const { name, call } = teamCall
    const controller = new AbortController()
    const abort = (reason: Error) => {
      controller.abort(reason)
    }
    const leave = () => {
      abort(new Error('The client is gone.'))
    }
    call.res.once('close', leave)
    try {
      return convert(await this.#callInTime(teamCall, controller.signal, abort))
    } catch (error) {
      throw this.toError(name, error, call)
    } finally {
      call.res.off('close', leave)
    }
  }

  /**
   * Calls a function that returns the values of a stream. The answer to an error ends the stream, which aborts its signal.
   * @throws AppServicesError
   */
  async open(teamCall: TeamCall, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#callInTime(teamCall, signal)
    } catch (error) {
      throw this.toError(teamCall.name, error, teamCall.call)
    }
  }

  /** Makes the error that a client gets for an error of a function, and reports an unexpected one. */
  toError(name: string, error: unknown, { req }: Pick<Call, 'req'>): AppServicesError {
    return toFunctionError(name, error, unexpected => {
      this.#parts.report(unexpected, req)
    })
  }

  #callInTime(
    { name, user, call, run }: TeamCall,
    signal: AbortSignal,
    abort?: (reason: Error) => void,
  ): Promise<unknown> {
    const { config, report } = this.#parts
    const context: FunctionContext = { user, request: requestOriginOf(call), signal }
    const toLate = () => {
      report(new Error(`The function '${name}' took longer than "functionTimeoutMs".`), call.req)
      return tookTooLong()
    }
    return inTime(config.functionTimeoutMs, () => run(context), toLate, abort)
  }
}

/** The error of a function that takes longer than `functionTimeoutMs`. */
export function tookTooLong(): AppServicesError {
  return new AppServicesError('ExecutionTimeLimitExceeded', 'execution time limit exceeded')
}
