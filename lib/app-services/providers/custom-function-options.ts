import type { RequestOrigin } from '../wire/request-facts.js'

/** The id that the app knows a user by: a text of 1 to 255 characters, or an ObjectId, which becomes its hex digits. */
export type ExternalId = string | { toHexString(): string }

/** A user, as a custom function returns it. Members besides `id` become the user's metadata, which clients see as `user.profile`. */
export interface RecognisedUser {
  /** The id that the app knows the user by. The same id is the same user at each login. */
  readonly id: ExternalId
  /** The name of the user, `user.profile.name` for clients. */
  readonly name?: string | undefined
  readonly [member: string]: unknown
}

/**
 * Checks credentials of the app's own kind. It returns the id of the user, or an object with the id and metadata. Without a
 * result (`null`, `undefined`, `false`) the credentials are wrong.
 *
 * An error of the classes `Error` and `AppServicesError` refuses the login, and its text reaches the client. Any other error
 * is a fault, which the client sees as 500.
 *
 * @param payload what the client sent. A stranger may send anything: check each member
 */
export type CustomFunction = (
  payload: Readonly<Record<string, unknown>>,
  context: { readonly request: RequestOrigin },
) => CustomFunctionResult | PromiseLike<CustomFunctionResult>

/** What a custom function returns. */
export type CustomFunctionResult = ExternalId | RecognisedUser | null | undefined | false

/** A custom function and the account that it counts failures for. */
export interface CustomFunctionOptions {
  /** The function that checks the credentials. */
  readonly handler: CustomFunction
  /**
   * The account that a payload names. Failed logins are then limited for the account too, and not only for the address.
   * @default none
   * @example ({ email }) => String(email)
   */
  readonly account?: ((payload: Readonly<Record<string, unknown>>) => string | null | undefined) | undefined
}
