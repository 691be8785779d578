import type { TokenVerifierOptions } from '../../index.js'

/** A claim of a custom JWT that becomes metadata of the user, `user.profile` for clients. */
export interface MetadataField {
  /**
   * Where the claim is, with dots between the names: `profile.email`. `\.` stands for a dot in a name.
   * @example 'https://example\\.com/email'
   */
  readonly path: string
  /**
   * The name that the user's data gets, 63 characters at most.
   * @default the last name of the path
   */
  readonly name?: string | undefined
  /**
   * Whether a token without the claim is refused.
   * @default false
   */
  readonly required?: boolean | undefined
}

/** Options of logins by a JWT that another service issued. The keys and `jwksUri` are those of `tokenVerifier()`. */
export interface CustomTokenOptions extends Omit<TokenVerifierOptions, 'audience'> {
  /**
   * The audience of the tokens.
   * @default the app id
   */
  readonly audience?: string | readonly string[] | undefined
  /**
   * Whether one audience is enough. Otherwise a token must have all of them.
   * @default false
   */
  readonly requireAnyAudience?: boolean | undefined
  /**
   * Claims that become metadata of the user. They are read at each login.
   * @default none
   */
  readonly metadataFields?: readonly MetadataField[] | undefined
}
