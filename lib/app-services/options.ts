import type { CollectionLike, CustomUserData } from '../index.js'
import type { CollectionsOptions } from './collections/collections-options.js'
import type { FunctionsOptions } from './functions/functions-options.js'
import type { CustomTokenOptions } from './providers/custom-token-options.js'
import type { EmailPasswordOptions } from './account/email-password/email-password-options.js'
import type { AllowedClientOrigins } from './router/cors.js'
import type { CustomFunction, CustomFunctionOptions } from './providers/custom-function-options.js'
import type { TriggerOptions } from './triggers/trigger-options.js'
import type { UserObject } from './users/user-object.js'

/** A database: the `Db` of a driver, or `mongoose.connection.db`. */
export interface DatabaseLike {
  collection(name: string, options?: object): CollectionLike
}

/** Options of `createAppServices()`. */
export interface AppServicesOptions extends FunctionsOptions, CollectionsOptions {
  /**
   * The instance that issues tokens and reads custom data. Clients read `user.customData` from access tokens, so it needs
   * `userDataInToken: 'canonical'`, as App Services had it, or `'relaxed'`.
   */
  readonly userData: CustomUserData<object>
  /**
   * The database of users, email accounts and API keys: the `Db` of a driver, or a function that returns it. The function is
   * called at each operation, for connections that open later.
   * @example () => mongoose.connection.db
   */
  readonly database: DatabaseLike | (() => DatabaseLike)
  /**
   * The app id that the clients have.
   * @example 'application-0-abcde'
   */
  readonly appId: string
  /**
   * The address at which clients reach the router, with the path that it is mounted at and without a slash at the end.
   * @example 'https://api.example.com/realm'
   */
  readonly hostname: string
  /**
   * The region that clients are told.
   * @default 'LOCAL'
   */
  readonly location?: string | undefined
  /** The ways to log in. Each is off unless it is given. */
  readonly providers: ProviderOptions
  /**
   * Runs before a user exists. An error that it throws refuses the login, and no user is created. The text of an error of the
   * classes `Error` and `AppServicesError` reaches the client. A document that it writes is in the user's first token.
   *
   * It may run several times for one id. Parallel first logins each run it, and after a crash the next login runs it again. It
   * may take as long as the option `verifyCredentialsTimeoutMs` of the instance says. If it takes longer, the login is refused,
   * but the user is created when the function ends.
   * @default none
   * @example
   * onUserCreation: async ({ id, data }) => {
   *   await userData.forUser(id).update({ $set: { name: data.name } }, { upsert: true })
   * }
   */
  readonly onUserCreation?: ((user: UserObject) => unknown) | undefined
  /**
   * Functions that run after the answers to logins, deletions and logouts.
   * @default none
   * @example triggers: [{ operationType: 'DELETE', handler: ({ user }) => userData.forUser(user.id).delete() }]
   */
  readonly triggers?: readonly TriggerOptions[] | undefined
  /**
   * The origins of pages that may call the router from a browser. `'*'` allows all, which is safe because no request carries a
   * cookie.
   * @default none
   * @example ['https://app.example.com', 'capacitor://localhost']
   */
  readonly allowedOrigins?: AllowedClientOrigins | undefined
  /**
   * The most bytes of a request body.
   * @default 1,048,576
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * Milliseconds that one operation of MongoDB may take.
   * @default 5,000
   */
  readonly timeoutMs?: number | undefined
}

/** The ways to log in. */
export interface ProviderOptions {
  /**
   * Whether visitors can log in without credentials.
   * @default false
   */
  readonly anonymous?: boolean | undefined
  /**
   * A function that checks credentials of your own kind, for `Credentials.function(payload)`.
   * @default none
   * @example
   * customFunction: async ({ email, pin }) => {
   *   const account = await findAccount(String(email), String(pin))
   *   return account && { id: account.id, name: account.name }
   * }
   */
  readonly customFunction?: CustomFunction | CustomFunctionOptions | undefined
  /**
   * Logins by a JWT that another service issued. Its subject names the user.
   * @default off
   * @example { keys: [{ alg: 'HS256', key: process.env.PARTNER_SECRET }], metadataFields: [{ path: 'email' }] }
   */
  readonly customToken?: CustomTokenOptions | undefined
  /**
   * Email and password.
   * @default off
   * @example emailPassword: { sendConfirmation: sendConfirmationMail, sendPasswordReset: sendResetMail } // yours
   */
  readonly emailPassword?: EmailPasswordOptions | undefined
  /**
   * Whether users can create API keys, and log in by them. An anonymous user cannot have one.
   * @default false
   */
  readonly apiKey?: boolean | undefined
}
