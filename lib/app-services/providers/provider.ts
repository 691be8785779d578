import type { Call } from '../router/routes.js'
import type { ProviderType, VerifiedIdentity } from '../users/stored-user.js'
import type { UserType } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'

/** Credentials of a login, read from a body but not yet verified. */
export interface Credentials {
  /**
   * The name under which failed logins are counted, for example the email; `undefined` if only the address counts. A prefix
   * such as `api-key:` keeps the counts of providers apart.
   */
  readonly account?: string | undefined
  /**
   * Verifies the credentials.
   * @returns `null` if they are wrong
   * @throws AppServicesError to tell the client another reason
   */
  readonly verify: () => Promise<VerifiedIdentity | ExistingUser | null>
  /**
   * Whether credentials that were right still are. It is asked after the user or the identity is stored, so that a password
   * that is replaced during a login lets nobody in: whoever replaces it finds the user, or is found here.
   * @default they are
   */
  readonly stillHolds?: (() => Promise<boolean>) | undefined
}

/** Credentials that name a user who exists, as an API key does. */
export interface ExistingUser {
  readonly userId: string
  /**
   * Notes the session that the login has begun. Without it nothing is noted.
   * @returns `false` to refuse the login, because the credentials ended meanwhile
   */
  readonly begin?: (sid: string) => Promise<boolean>
}

/** A way to log in. */
export interface Provider {
  readonly type: ProviderType
  /** The type of users who log in by this provider. */
  readonly userType: UserType
  /** Whether a user can get a further identity by it. */
  readonly isLinkable: boolean
  /** The text of the answer to wrong credentials. It must not be `unauthorized` alone: a client that links would repeat it. */
  readonly refusal: string
  /**
   * Reads the credentials of a call.
   * @throws AppServicesError `MissingParameter` or `InvalidParameter`
   */
  readonly read: (call: Call) => Credentials
}

/** The error of a request to a provider that the options do not turn on. */
export function providerIsOff(): AppServicesError {
  return new AppServicesError('AuthProviderNotFound', 'this way to log in is not turned on')
}
