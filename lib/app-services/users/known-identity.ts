import type { Metadata } from './stored-user.js'

/** An identity that the team knows, for example of a user of an earlier service. */
export interface KnownIdentity {
  /** The id of the user: 24 hex digits in lower case. */
  readonly userId: string
  /** The provider of the identity. Email accounts have a function of their own, `addEmailAccount()`. */
  readonly providerType: 'custom-token' | 'custom-function'
  /** The id at the provider: the subject of the JWT, or the id that the custom function returns. */
  readonly id: string
  /**
   * What the provider tells about the user. The next login replaces it.
   * @default {}
   */
  readonly data?: Metadata | undefined
}
