import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { AccountName } from './account-name.js'

/** The type of a field of a login without a schema. Objects are refused, because they could become part of a query. */
export type Scalar = string | number | boolean | null

/** The user who has logged in. */
export interface VerifiedUser {
  /** The user's id, as it stands in the user id field. */
  readonly id: string
}

/** The result of `verifyCredentials`: the user, or nothing if the credentials are wrong. */
export type VerifyOutcome = VerifiedUser | null | undefined

/**
 * Checks credentials. Returns the user, or `null` if the credentials are wrong. The check should take as long for unknown
 * users as for known ones, so that response times do not reveal which users exist. `login()` also gives it the request.
 * For `authenticateLogin()`, which has none, it must do without.
 *
 * An error with a `status` or `statusCode` from 400 to 499 refuses the login like `null`, and the answer is 401. A
 * `CustomUserDataError` becomes the answer itself. Any other error is answered with 500.
 *
 * @example
 * const verifyCredentials = async ({ email, password }) => {
 *   const user = await users.findOne({ email })
 *   return user && (await isPassword(user, password)) ? { id: String(user._id) } : null
 * }
 */
export interface VerifyCredentials<
  Credentials = Readonly<Record<string, Scalar>>,
  Req extends Request | undefined = Request,
> {
  (credentials: Credentials, req: Req): VerifyOutcome | Promise<VerifyOutcome>
  /**
   * Returns the account that the credentials name, so that its failed logins are counted. Returns `undefined` if they name
   * none.
   * @default each of `email` and `username` that is a text, a number or a boolean
   * @example userData.login(verifyCredentials, { account: ({ phone }) => phone })
   */
  readonly account?: ((credentials: Credentials) => AccountName | null | undefined) | undefined
}

/** Whether a client sent no value: some send every field of a form, with `null` or an empty text for those without a value. */
export function isNone(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === ''
}

/** Reads a text field of a body. Throws `invalid_request` if it is missing, empty, too long or no text. */
export function requireText(
  body: Readonly<Record<string, unknown>>,
  field: string,
  maxLength: number,
): string {
  const value = Object.hasOwn(body, field) ? body[field] : undefined
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  const message = `"${field}" must be a text of 1 to ${maxLength} characters.`
  throw new CustomUserDataError('invalid_request', message)
}
