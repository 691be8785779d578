import * as v from 'valibot'
import { aBoolean, aFunction, membersOf } from '../../check-options.js'

/** What a function of the team decides: `pending` means that the client comes back with the token. */
export interface EmailPasswordDecision {
  /** The decision. */
  readonly status: 'success' | 'pending' | 'fail'
}

/** A token that the team sends to the owner of an email address. It works once, for 30 minutes. */
export interface EmailToken {
  /** The address, trimmed and in lower case. */
  readonly email: string
  /** The secret part of a link. The client gives it back with `tokenId`. */
  readonly token: string
  /** Tells which token it is. It is no secret. */
  readonly tokenId: string
}

/** The argument of `confirmationFunction`. */
export interface ConfirmationRequest {
  /** The address, trimmed and in lower case. */
  readonly username: string
  /** With `tokenId` it confirms the address, once, within 30 minutes. */
  readonly token: string
  /** Tells which token it is. It is no secret. */
  readonly tokenId: string
}

/** The first argument of `resetFunction`. */
export interface PasswordResetRequest {
  /** The address, trimmed and in lower case. Anybody can send any address. */
  readonly username: string
  /** The password that the client sent. */
  readonly password: string
  /** With `tokenId` it sets a new password, once, within 30 minutes. */
  readonly token: string
  /** Tells which token it is. It is no secret. */
  readonly tokenId: string
  /** Whether `password` is the password that the account has now. */
  readonly currentPasswordValid: boolean
  /**
   * Whether there is an account with this address. The function also runs without one, so that the answer does not tell who
   * has an account. Send no mail then.
   */
  readonly accountExists: boolean
}

/** Decides about the request for a new password. The further arguments come from the client, and nobody has checked them. */
export type PasswordResetFunction = PasswordResetCall['call']

/** As a method, because parameters of methods may have narrower types than `unknown`. */
interface PasswordResetCall {
  call(
    this: void,
    request: PasswordResetRequest,
    ...args: unknown[]
  ): EmailPasswordDecision | Promise<EmailPasswordDecision>
}

/**
 * Email and password as a way to log in. Addresses are compared trimmed and in lower case. Passwords have 6 to 128 characters,
 * and are stored as argon2id hashes.
 *
 * Give exactly one of `autoConfirm`, `confirmationFunction` and `sendConfirmation`. Give one of `resetFunction` and
 * `sendPasswordReset`, or none: then passwords cannot be reset.
 */
export interface EmailPasswordOptions {
  /**
   * Whether a new account can log in at once. Nobody has proved then that the address belongs to its owner.
   * @default false
   */
  readonly autoConfirm?: boolean | undefined
  /**
   * Decides about a new account. With `pending` the account is confirmed by the token. With `fail`, or if the function throws,
   * no account remains. `retryCustomConfirmation()` of the client runs it again, after the answer, for an account that is not
   * confirmed; then `fail` changes nothing.
   * @default none
   * @example
   * confirmationFunction: async ({ username, token, tokenId }) => {
   *   if (!username.endsWith('@example.com')) return { status: 'fail' }
   *   await sendConfirmationMail({ email: username, token, tokenId }) // yours
   *   return { status: 'pending' }
   * }
   */
  readonly confirmationFunction?:
    ((request: ConfirmationRequest) => EmailPasswordDecision | Promise<EmailPasswordDecision>) | undefined
  /**
   * Sends a mail with a link to a page that calls `confirmUser({ token, tokenId })`. It runs after the answer, so that the
   * answer does not tell who has an account. Its errors are reported.
   * @default none
   * @example sendConfirmation: ({ email, token, tokenId }) => sendConfirmationMail({ email, token, tokenId }) // yours
   */
  readonly sendConfirmation?: ((message: EmailToken) => unknown) | undefined
  /**
   * Decides about the request for a new password. `success` sets the password at once, `pending` leaves it to the token,
   * and `fail` or an error refuses it.
   *
   * Anybody can call it with any address. If it returns `success` without a proof, such as `currentPasswordValid`, anybody can
   * take over any account.
   * @default none
   * @example
   * resetFunction: async ({ username, token, tokenId, accountExists }) => {
   *   if (accountExists) void sendResetMail({ email: username, token, tokenId }).catch(logError) // yours
   *   return { status: 'pending' }
   * }
   */
  readonly resetFunction?: PasswordResetFunction | undefined
  /**
   * Sends a mail with a link to a page that calls `resetPassword({ token, tokenId, password })`. It runs after the answer,
   * and only for addresses with an account. Its errors are reported.
   * @default none: passwords cannot be reset, unless there is a `resetFunction`
   * @example sendPasswordReset: ({ email, token, tokenId }) => sendResetMail({ email, token, tokenId }) // yours
   */
  readonly sendPasswordReset?: ((message: EmailToken) => unknown) | undefined
}

const WAYS_TO_CONFIRM = ['autoConfirm', 'confirmationFunction', 'sendConfirmation'] as const

/** @internal */
export const emailPasswordSchema = v.pipe(
  membersOf({
    autoConfirm: v.optional(aBoolean, false),
    confirmationFunction: v.optional(aFunction<NonNullable<EmailPasswordOptions['confirmationFunction']>>()),
    sendConfirmation: v.optional(aFunction<NonNullable<EmailPasswordOptions['sendConfirmation']>>()),
    resetFunction: v.optional(aFunction<PasswordResetFunction>()),
    sendPasswordReset: v.optional(aFunction<NonNullable<EmailPasswordOptions['sendPasswordReset']>>()),
  }),
  v.check(
    options => WAYS_TO_CONFIRM.filter(name => Boolean(options[name])).length === 1,
    'give exactly one of autoConfirm: true, confirmationFunction and sendConfirmation',
  ),
  v.check(
    options => !options.resetFunction || !options.sendPasswordReset,
    'give one of resetFunction and sendPasswordReset, because a reset by both would be open to the weaker one',
  ),
)

/** Complete options of the provider. */
export interface EmailPasswordConfig extends EmailPasswordOptions {
  readonly autoConfirm: boolean
}
