import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NextFunction, RequestHandler } from 'express'

/** A guard: middleware that lets only some requests through. */
export interface Guard extends RequestHandler {
  /**
   * Guards a request inside your own middleware or handler, or a request that has no response, such as the handshake of a
   * socket. Resolves when the request may pass, and `req.user` is set as by the middleware. Rejects with the error that the
   * middleware hands to `next`.
   *
   * @example
   * const guard = userData.authenticate() // once: each guard keeps its own options
   * app.use(async (req, res, next) => {
   *   try {
   *     await guard.run(req, res)
   *     await requireTenant(userData.user(req)) // yours
   *     next()
   *   } catch (error) {
   *     next(error)
   *   }
   * })
   */
  run(this: void, req: IncomingMessage, res?: ServerResponse): Promise<void>
}

/** Adds the form that can be awaited to a middleware. */
export function toGuard(middleware: RequestHandler): Guard {
  // Guards also take requests that are not Express's, and requests without a response.
  const call = middleware as unknown as (
    req: IncomingMessage,
    res: ServerResponse | undefined,
    next: NextFunction,
  ) => unknown
  const run: Guard['run'] = (req, res) =>
    new Promise((resolve, reject) => {
      call(req, res, (error?: unknown) => {
        if (error === undefined) {
          resolve()
          return
        }
        // A callback of the team can throw any value. It reaches the caller as it is, as `next` would get it.
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as above
        reject(error)
      })
    })
  return Object.assign(middleware, { run })
}
