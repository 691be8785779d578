import type { Router } from 'express'

/** A service for clients of App Services, as `createAppServices()` returns it. */
export interface AppServices {
  /**
   * Creates the router of the client protocol. Mount it before body parsers and guards if you can, at the path that the option
   * `hostname` names. It leaves other paths to the handlers after it.
   * @example app.use('/realm', appServices.router())
   */
  router(this: void): Router
  /**
   * Makes the indexes, and looks at the set-up of the instance. Rejects while the service cannot work.
   * @example await appServices.ready()
   */
  ready(this: void): Promise<void>
  /**
   * Ends the streams of clients, because an open stream keeps a server from closing. New streams are refused.
   * @example process.once('SIGTERM', () => {
   *   appServices.close()
   *   server.close()
   * })
   */
  close(this: void): void
}
