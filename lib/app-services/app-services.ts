import type { Router } from 'express'
import type { KnownEmailAccount } from './account/email-password/known-email-account.js'
import type { KnownIdentity } from './users/known-identity.js'
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
   * Ends the streams of clients, because an open stream keeps a server from closing, and refuses new ones. Resolves when the
   * triggers and mails that run have ended, after five seconds at most.
   * @example
   * process.once('SIGTERM', () => {
   *   server.close(async () => {
   *     await appServices.close() // waits for the triggers and mails of the last requests
   *     await userData.close()
   *   })
   *   void appServices.close() // ends the streams
   * })
   */
  close(this: void): Promise<void>
  /**
   * Adds an email account that needs no confirmation, for example of a user of your former service. Without a password it can
   * only be used after a reset. With `userId` it belongs to the user with this id, who is created if there is none; without it
   * the first login creates the user. Call it again with the same `userId` if it was interrupted. It runs neither
   * `onUserCreation` nor triggers.
   *
   * @throws OptionError for a wrong or unknown value, or if the provider `emailPassword` is off; AppServicesError
   * `AccountNameInUse` if the address or the user has an account already
   * @example await appServices.addEmailAccount({ email: 'alice@example.com', userId: '64b7f0c2a4e1d2f3a4b5c6d7' })
   */
  addEmailAccount(this: void, account: KnownEmailAccount): Promise<void>
  /**
   * Gives a user an identity of the provider `customToken` or `customFunction`, for example to a user of your former service.
   * A login by it then finds the user with this id. The user is created if there is none. A repeated call changes nothing. It
   * runs neither `onUserCreation` nor triggers.
   *
   * @throws OptionError for a wrong or unknown value; AppServicesError `AccountNameInUse` if another user has the identity,
   * `LimitExceeded` for a user with 20 identities, `UserNotFound` for a user who is being created or deleted
   * @example await appServices.addIdentity({ userId: '64b7f0c2a4e1d2f3a4b5c6d7', providerType: 'custom-token', id: 'partner-7' })
   */
  addIdentity(this: void, identity: KnownIdentity): Promise<void>
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
