import type { Router } from 'express'
import type { UserObject } from './users/user-object.js'

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
   * Finds a user. The custom data is read from MongoDB now.
   * @returns `undefined` if there is no such user
   * @throws TypeError if `userId` is no text; the errors of `userData.forUser(userId).read()`
   * @example const user = await appServices.findUser(userId)
   */
  findUser(this: void, userId: string): Promise<UserObject | undefined>
  /**
   * Deletes a user: the user with all identities and API keys, the sessions, and the failed logins. The user's document of
   * custom data stays, as in App Services; remove it by `userData.forUser(userId).delete()`. Triggers of `DELETE` run. If the
   * call fails, the user cannot log in any more, and the call can be repeated.
   * @returns whether there was such a user
   * @throws TypeError if `userId` is no text; the errors of `userData.eraseUser()`
   * @example await appServices.deleteUser(userId)
   */
  deleteUser(this: void, userId: string): Promise<boolean>
}
