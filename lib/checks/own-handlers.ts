import type { Request } from 'express'
import { errorHandlersOf, handlersFor } from './app-stack.js'

/** What a handler of this instance is. `user`: a handler that needs a guard before it, such as `allow()`. */
export type HandlerKind =
  'guard' | 'optional guard' | 'login' | 'refresh' | 'user' | 'error handler' | 'passes errors on'

/** How often the stack of an app is read. A finding comes with the first requests, and strangers can send any number. */
const MAX_LOOKS = 200

/** The handlers that this instance has created, and where an app has mounted them. */
export class OwnHandlers {
  readonly #kinds = new WeakMap<object, HandlerKind>()
  readonly #created = new Set<HandlerKind>()
  #authenticatesOtherwise = false
  #looks = 0

  /** Notes a handler, and returns it. */
  add<Handler extends object>(kind: HandlerKind, handler: Handler): Handler {
    this.#kinds.set(handler, kind)
    this.#created.add(kind)
    return handler
  }

  /** Notes that the app uses a strategy of passport, or verifies tokens itself. Neither stands in the stack of the app. */
  noteOtherAuthentication(): void {
    this.#authenticatesOtherwise = true
  }

  /** Whether a handler of one of these kinds was created. */
  has(...kinds: readonly HandlerKind[]): boolean {
    return kinds.some(kind => this.#created.has(kind))
  }

  /** Whether the app has a guard of this instance, or authenticates in another way. */
  get canAuthenticate(): boolean {
    return this.#authenticatesOtherwise || this.has('guard', 'optional guard')
  }

  /** The kinds of the handlers that the app calls for a request, in their order; `undefined` for those of others. */
  calledFor(req: Request): readonly (HandlerKind | undefined)[] {
    this.#countLook()
    return handlersFor(req).map(handler => this.#kinds.get(handler))
  }

  /** The kinds of all error handlers of an app that can answer an error; `undefined` for those of others. */
  errorHandlersOf(app: unknown): readonly (HandlerKind | undefined)[] {
    this.#countLook()
    return errorHandlersOf(app)
      .map(handler => this.#kinds.get(handler))
      .filter(kind => kind !== 'passes errors on')
  }

  #countLook(): void {
    if (++this.#looks > MAX_LOOKS) throw new RangeError('The stack of the app was read often enough.')
  }
}
