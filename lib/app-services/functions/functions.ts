import type { Parts } from '../parts.js'
import { requireCaller } from '../router/callers.js'
import type { Caller } from '../router/callers.js'
import type { Call, Route } from '../router/routes.js'
import { toReportedError } from '../wire/errors.js'
import { readCommand, readStreamCommand } from './command.js'
import type { Command } from './command.js'
import type { StreamSource } from './event-streams.js'
import { ResultJson } from './result-json.js'
import type { ServiceCommand, Services } from './service.js'
import { TeamFunctions } from './team-functions.js'

/** Creates the route of functions and of operations on data sources, and the route of their streams. */
export function functionRoutes(parts: Parts, services: Services): Route[] {
  const { userData, now, streams } = parts
  const calls = new Calls(parts, services)
  return [
    {
      method: 'post',
      base: 'app',
      path: '/functions/call',
      async handle(call) {
        const caller = await requireCaller(call, userData, now)
        return { status: 200, json: await calls.call(caller, call, readCommand(call.body)) }
      },
    },
    {
      method: 'get',
      base: 'app',
      path: '/functions/call',
      async handle(call) {
        const caller = await requireCaller(call, userData, now)
        return streams.answer(call, caller, calls.sourceOf(caller, call, readStreamCommand(call.query)))
      },
    },
  ]
}

/** The calls of functions and of operations on data sources. */
class Calls {
  readonly #functions: TeamFunctions
  readonly #services: Services
  readonly #resultJson: ResultJson
  readonly #parts: Parts

  constructor(parts: Parts, services: Services) {
    const { config, extendedJson, bson } = parts
    this.#parts = parts
    this.#functions = new TeamFunctions(parts)
    this.#services = services
    this.#resultJson = new ResultJson({ extendedJson, bson, maxBytes: config.maxResultBytes })
  }

  /** Runs a call. Resolves to the JSON of its result. */
  async call(caller: Caller, call: Call, command: Command): Promise<string> {
    if (isOfService(command))
      return this.#resultJson.stringify(await this.#services.call(caller, call, command))
    return this.#functions.call(caller, call, command, result => this.#resultJson.stringify(result))
  }

  /** The source of the values of a stream. */
  sourceOf(caller: Caller, call: Call, command: Command): StreamSource {
    if (isOfService(command))
      return {
        open: signal => this.#services.watch(caller, call, command, signal),
        toJson: value => this.#resultJson.stringify(value),
        toError: error =>
          toReportedError(error, unexpected => {
            this.#parts.report(unexpected, call.req)
          }),
      }
    return {
      open: signal => this.#functions.open(caller, call, command, signal),
      toJson: value => this.#resultJson.stringify(value),
      toError: error => this.#functions.toError(command.name, error, call),
    }
  }
}

function isOfService(command: Command): command is Command & ServiceCommand {
  return command.service !== undefined
}
