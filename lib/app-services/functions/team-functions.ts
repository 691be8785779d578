import type { Parts } from '../parts.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import type { UserObject } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'
import { requestFactsOf } from '../wire/request-facts.js'
import type { Command } from './command.js'
import { TeamCalls } from './team-calls.js'
import type { TeamCall } from './team-calls.js'
import { toValues } from './to-values.js'

type FunctionParts = Pick<Parts, 'config' | 'users' | 'extendedJson' | 'bson' | 'report'>

/** The functions of the team. */
export class TeamFunctions {
  readonly #parts: FunctionParts
  readonly #calls: TeamCalls

  constructor(parts: FunctionParts) {
    this.#parts = parts
    this.#calls = new TeamCalls(parts)
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
    return this.#calls.run(await this.#prepare(caller, call, command), toJson)
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
    return toValues(await this.#calls.open(await this.#prepare(caller, call, command), signal))
  }

  /** Makes the error that a client gets for an error of a function, and reports an unexpected one. */
  toError(name: string, error: unknown, call: Call): AppServicesError {
    return this.#calls.toError(name, error, call)
  }

  async #prepare(caller: Caller, call: Call, { name, arguments: args }: Command): Promise<TeamCall> {
    const { config, extendedJson } = this.#parts
    const teamFunction = config.functions.get(name)
    if (!teamFunction) throw new AppServicesError('FunctionNotFound', `function not found: '${name}'`)
    const values = extendedJson.parse(args, 'plain') as unknown[]
    const user = await this.#calls.userOf(caller)
    if (!teamFunction.mayCall({ ...factsOf(user), request: requestFactsOf(call) }))
      throw new AppServicesError('NoMatchingRuleFound', `no rule allows this call of the function '${name}'`)
    return { name, user, call, run: context => teamFunction.handler(context, ...values) }
  }
}

function factsOf({ id, custom_data, data, type }: UserObject) {
  return { userId: id, customData: custom_data, userData: data, userType: type }
}
