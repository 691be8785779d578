import type { ServiceCommand, Services } from '../functions/service.js'
import { TeamCalls } from '../functions/team-calls.js'
import type { TeamCall } from '../functions/team-calls.js'
import { toValues } from '../functions/to-values.js'
import type { Parts } from '../parts.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { AppServicesError } from '../wire/errors.js'
import { requestFactsOf } from '../wire/request-facts.js'
import { notPermitted } from './collection-errors.js'
import type { CollectionHandler } from './collections-options.js'
import { isOperation, parseArguments } from './operation-arguments.js'
import type { OperationName } from './operation-arguments.js'
import { OwnCollectionService } from './own-collection-service.js'
import { watchOwnDocument } from './own-watch.js'
import type { PlainObject } from '../wire/values.js'

type ServiceParts = Pick<Parts, 'config' | 'userData' | 'users' | 'extendedJson' | 'bson' | 'report'>

/** The name that clients send if they name no data source. */
const UNNAMED_SERVICE = 'mongo-db'
const DEFAULT_SERVICE = 'mongodb-atlas'

/**
 * Creates the operations on collections: on the collection of custom data, and on those with handlers of the team.
 * @throws OptionError for a mistake in the rules
 */
export function createCollectionServices(parts: ServiceParts): Services {
  const services = new CollectionServices(parts)
  return {
    call: (caller, call, command) => services.call(caller, call, command),
    watch: (caller, call, command, signal) => services.watch(caller, call, command, signal),
  }
}

/** An operation on a collection, with parsed arguments. */
interface Request {
  readonly operation: OperationName
  readonly namespace: string
  readonly args: PlainObject
}

class CollectionServices {
  readonly #parts: ServiceParts
  readonly #own: OwnCollectionService | undefined
  readonly #calls: TeamCalls

  constructor(parts: ServiceParts) {
    this.#parts = parts
    this.#calls = new TeamCalls(parts)
    const { customData } = parts.config
    this.#own = customData && new OwnCollectionService(customData, parts)
  }

  async call(caller: Caller, call: Call, command: ServiceCommand): Promise<unknown> {
    const request = this.#parse(command)
    const { operation, namespace, args } = request
    if (operation === 'watch')
      throw new AppServicesError('BadRequest', 'watch is a stream: call it by collection.watch()')
    const own = this.#ownOf(namespace)
    if (own) return own.run(operation, { caller, request: requestFactsOf(call) }, args)
    return this.#calls.run(await this.#toTeamCall(request, { caller, call }), result => result)
  }

  async watch(
    caller: Caller,
    call: Call,
    command: ServiceCommand,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const request = this.#parse(command)
    const { operation, namespace, args } = request
    if (operation !== 'watch')
      throw new AppServicesError('BadRequest', `${operation} is not a stream: call it by a POST request`)
    const own = this.#ownOf(namespace)
    if (own)
      return watchOwnDocument(own, { caller, request: requestFactsOf(call) }, args, {
        ...this.#parts,
        signal,
      })
    return toValues(await this.#calls.open(await this.#toTeamCall(request, { caller, call }), signal))
  }

  #parse({ service, name, arguments: given }: ServiceCommand): Request {
    const { config, extendedJson } = this.#parts
    const known = config.customData?.service ?? DEFAULT_SERVICE
    const isUsed = config.customData !== undefined || Object.keys(config.collections).length > 0
    if (!isUsed || (service !== known && service !== UNNAMED_SERVICE))
      throw new AppServicesError('ServiceNotFound', `service not found: '${service}'`)
    if (!isOperation(name))
      throw new AppServicesError('ServiceCommandNotFound', `the service has no command '${name}'`)
    const { database, collection, args } = parseArguments(
      name,
      extendedJson.parse(given, 'exact') as unknown[],
    )
    return { operation: name, namespace: `${database}.${collection}`, args }
  }

  #ownOf(namespace: string): OwnCollectionService | undefined {
    const { customData } = this.#parts.config
    return customData && namespace === `${customData.database}.${customData.collection}`
      ? this.#own
      : undefined
  }

  #handlerOf(namespace: string, operation: OperationName): CollectionHandler {
    const { collections } = this.#parts.config
    if (!Object.hasOwn(collections, namespace))
      throw new AppServicesError(
        'NoMatchingRuleFound',
        `no rule exists for namespace '${namespace.slice(0, 255)}'`,
      )
    const handlers = collections[namespace]
    const handler = handlers && Object.hasOwn(handlers, operation) ? handlers[operation] : undefined
    if (!handler) throw notPermitted(`${operation} is not offered for this collection`)
    return handler
  }

  /** Describes the call of a handler of the team. */
  async #toTeamCall(
    { operation, namespace, args }: Request,
    { caller, call }: { readonly caller: Caller; readonly call: Call },
  ): Promise<TeamCall> {
    const handler = this.#handlerOf(namespace, operation)
    const user = await this.#calls.userOf(caller)
    return { name: `${namespace}.${operation}`, user, call, run: context => handler(context, args) }
  }
}
