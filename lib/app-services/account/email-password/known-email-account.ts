/** The argument of `addEmailAccount()`: an account that the team knows, for example of a user of an earlier service. */
export interface KnownEmailAccount {
  /** The address. It is stored trimmed and in lower case. */
  readonly email: string
  /**
   * The password, of 6 to 128 characters.
   * @default none: the user sets one by a reset
   */
  readonly password?: string | undefined
  /**
   * The id of the account's user: 24 hex digits in lower case.
   * @default none: the first login creates the user
   */
  readonly userId?: string | undefined
}
