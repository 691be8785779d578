import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'

/** The call of an operation on a data source, as `collection.find()` of the client sends it. */
export interface ServiceCommand {
  /** The name of the data source, as `mongodb-atlas`. */
  readonly service: string
  /** The name of the operation, as `find`. */
  readonly name: string
  /** The arguments as JSON, not yet converted from Extended JSON. */
  readonly arguments: readonly unknown[]
}

/** The operations on data sources. Calls without a data source are functions of the team. */
export interface Services {
  /**
   * Runs an operation.
   * @returns the result, which is sent as canonical Extended JSON
   * @throws AppServicesError, but never 401: the client would repeat the request for ever
   */
  call(this: void, caller: Caller, call: Call, command: ServiceCommand): Promise<unknown>
  /**
   * Opens a stream of values, as `collection.watch()` reads it. An error before the stream opens is an ordinary error; a
   * later one ends the stream with an error event. The stream is closed by `return()` of its iterator.
   * @param signal is aborted when the client is gone, when the access token has expired or was revoked, and at `close()`
   * @throws AppServicesError, but never 401
   */
  watch(
    this: void,
    caller: Caller,
    call: Call,
    command: ServiceCommand,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>>
}
