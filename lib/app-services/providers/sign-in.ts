import type { Parts } from '../parts.js'
import type { StoredUser, VerifiedIdentity } from '../users/stored-user.js'
import { toUserObject } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'
import type { ExistingUser } from './provider.js'

type SignInParts = Pick<Parts, 'config' | 'users' | 'report'>

/** A user who may log in. */
export interface SignedIn {
  readonly user: StoredUser
  /** Whether this login created the user. */
  readonly isCreated: boolean
}

/**
 * Finds the user of verified credentials, and creates the user at the first login. The creation function runs before the
 * user exists, and its error refuses the login.
 *
 * @returns `undefined` if the user of the credentials does not exist any more
 * @throws AppServicesError `AuthError` with the text of the creation function's error
 */
export async function signIn(
  verified: VerifiedIdentity | ExistingUser,
  { config, users, report }: SignInParts,
): Promise<SignedIn | undefined> {
  if ('userId' in verified) {
    const user = await users.findById(verified.userId)
    return user && { user, isCreated: false }
  }
  const found = await users.findOrReserve(verified)
  if (!found) return undefined
  const { user, isNew } = found
  if (!isNew) return { user, isCreated: false }
  try {
    await config.onUserCreation?.(toUserObject(user, {}, 'normal'))
  } catch (error) {
    await users.discard(user)
    report(error)
    throw new AppServicesError('AuthError', `unauthorized: the user was not created: ${textOf(error)}`, {
      cause: error,
    })
  }
  return { user, isCreated: await users.activate(user) }
}

/** The text of an error is shown if the team wrote it: an error of another class may name hosts or values of others. */
function textOf(error: unknown): string {
  const isPlain = error instanceof AppServicesError || Object.getPrototypeOf(error) === Error.prototype
  return isPlain ? (error as Error).message : 'the creation function failed'
}
