import type { Parts } from '../parts.js'
import { deleteUser } from '../users/delete-user.js'
import type { StoredUser, VerifiedIdentity } from '../users/stored-user.js'
import { toUserObject } from '../users/user-object.js'
import { AppServicesError } from '../wire/errors.js'
import { freshCopy } from '../wire/fresh-copy.js'
import { shownTextOf } from '../wire/shown-text.js'
import type { ExistingUser } from './provider.js'

type SignInParts = Pick<
  Parts,
  'config' | 'users' | 'bson' | 'report' | 'userData' | 'triggers' | 'userCleaners'
>

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
  parts: SignInParts,
): Promise<SignedIn | undefined> {
  const { users } = parts
  if ('userId' in verified) {
    const user = await users.findById(verified.userId)
    return user && { user, isCreated: false }
  }
  const found = await users.findOrReserve(verified)
  if (!found) return finishDeletion(verified, parts)
  const { user, isNew } = found
  if (!isNew) return { user, isCreated: false }
  await runCreationFunction(user, parts)
  const isCreated = await users.activate(user)
  // Another login has made the user exist, or its creation function has refused the user.
  if (!isCreated && !(await users.findById(user._id.toHexString())))
    throw notCreated('another login was refused')
  return { user, isCreated }
}

/**
 * A deletion that has failed in the middle may have ended the sessions of its user, so the user cannot repeat it. Without this
 * the identity would be refused for ever. After it the next login creates a new user.
 */
async function finishDeletion(verified: VerifiedIdentity, parts: SignInParts): Promise<undefined> {
  const user = await parts.users.findHalfDeleted(verified)
  if (user) await deleteUser(user._id.toHexString(), 'normal', parts)
}

async function runCreationFunction(
  user: StoredUser,
  { config, users, bson, report }: SignInParts,
): Promise<void> {
  try {
    await config.onUserCreation?.(freshCopy(toUserObject(user, {}, 'normal'), bson()))
  } catch (error) {
    await users.discard(user)
    const text = shownTextOf(error)
    if (text === undefined) report(error)
    throw notCreated(text ?? 'the creation function failed', error)
  }
}

function notCreated(why: string, cause?: unknown): AppServicesError {
  return new AppServicesError('AuthError', `the user was not created: ${why}`, { cause })
}
