import { toFunctionError } from '../functions/function-errors.js'
import type { FunctionContext } from '../functions/functions-options.js'
import { callInTime } from '../functions/in-time.js'
import type { ServiceCommand, Services } from '../functions/service.js'
import { toValues } from '../functions/to-values.js'
import type { Parts } from '../parts.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { requireUser } from '../users/require-user.js'
import { toUserObject } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'
import { freshCopy } from '../wire/fresh-copy.js'
import { requestFactsOf } from '../wire/request-facts.js'
import { requestOriginOf } from '../wire/request-origin.js'
import { notPermitted } from './collection-errors.js'
import type { CollectionHandler } from './collections-options.js'
import { isOperation, parseArguments } from './operation-arguments.js'
import type { OperationName } from './operation-arguments.js'
import { OwnCollectionService } from './own-collection-service.js'
import { watchOwnDocument } from './own-watch.js'
import type { PlainObject } from './plain-object.js'

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

  constructor(parts: ServiceParts) {
    this.#parts = parts
    const { customData } = parts.config
    this.#own = customData && new OwnCollectionService(customData, parts)
  }

  async call(caller: Caller, call: Call, command: ServiceCommand): Promise<unknown> {
    const { operation, namespace, args } = this.#parse(command)
    if (operation === 'watch')
      throw new AppServicesError('BadRequest', 'watch is a stream: call it by collection.watch()')
    const own = this.#ownOf(namespace)
    if (own) return own.run(operation, { caller, request: requestFactsOf(call) }, args)
    const handler = this.#handlerOf(namespace, operation)
    return this.#callHandler(handler, { caller, call, name: `${namespace}.${operation}`, args })
  }

  async watch(
    caller: Caller,
    call: Call,
    command: ServiceCommand,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const { operation, namespace, args } = this.#parse(command)
    if (operation !== 'watch')
      throw new AppServicesError('BadRequest', `${operation} is not a stream: call it by a POST request`)
    const own = this.#ownOf(namespace)
    if (own)
      return watchOwnDocument(own, { caller, request: requestFactsOf(call) }, args, {
        ...this.#parts,
        signal,
      })
    const handler = this.#handlerOf(namespace, operation)
    const name = `${namespace}.${operation}`
    return toValues(await this.#callHandler(handler, { caller, call, name, args }, signal))
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

  /** Calls a handler of the team, with the time limit of functions. */
  async #callHandler(
    handler: CollectionHandler,
    { caller, call, name, args }: { caller: Caller; call: Call; name: string; args: PlainObject },
    streamSignal?: AbortSignal,
  ): Promise<unknown> {
    const { config, users, bson, report } = this.#parts
    const { userId, customData, type } = caller
    const stored = await requireUser(users, userId)
    const user = freshCopy(toUserObject(stored, customData, type), bson())
    const controller = new AbortController()
    const leave = () => {
      controller.abort(new Error('The client is gone.'))
    }
    call.res.once('close', leave)
    const signal = streamSignal ?? controller.signal
    const context: FunctionContext = { user, request: requestOriginOf(call), signal }
    const abort = (reason: Error) => {
      controller.abort(reason)
    }
    try {
      return await callInTime(config.functionTimeoutMs, abort, () => handler(context, args))
    } catch (error) {
      throw toFunctionError(name, error, unexpected => {
        report(unexpected, call.req)
      })
    } finally {
      call.res.off('close', leave)
    }
  }
}
