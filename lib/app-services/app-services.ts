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
   * Ends the streams of clients, because an open stream keeps a server from closing, and refuses new ones. Resolves when the
   * triggers that run have ended, after five seconds at most.
   * @example
   * process.once('SIGTERM', () => {
   *   server.close(async () => {
   *     await appServices.close() // waits for the triggers of the last requests
   *     await userData.close()
   *   })
   *   void appServices.close() // ends the streams
   * })
   */
  close(this: void): Promise<void>
}
