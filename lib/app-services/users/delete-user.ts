import type { Parts } from '../parts.js'
import type { StoredUser } from './stored-user.js'
import { providersOf, toUserObject } from './user-object.js'
import type { UserObject, UserType } from './user-object.js'

/**
 * Removes what a room stores of a user who is being deleted. It may run several times for one user.
 * @returns the names under which failed logins of the user are counted, as `account` of credentials gives them
 */
export type UserCleaner = (user: StoredUser) => Promise<readonly string[]>

type DeletionParts = Pick<Parts, 'users' | 'userData' | 'triggers' | 'userCleaners' | 'report'>

/**
 * Deletes a user. The user's document of custom data stays, as in App Services.
 *
 * The user is marked first, and removed last. A marked user cannot log in and keeps the identities, so half-deleted
 * credentials make no new user either. If a step fails, the call can be repeated.
 *
 * @returns whether there was such a user
 */
export async function deleteUser(userId: string, type: UserType, parts: DeletionParts): Promise<boolean> {
  const { users, userData, triggers, userCleaners } = parts
  const user = await users.markDeleted(userId)
  if (!user) return false
  const userObject = await describeDeleted(user, type, parts)
  const accounts = await Promise.all(userCleaners.map(clean => clean(user)))
  await userData.eraseUser(userId, { accounts: accounts.flat() })
  // Of two parallel calls one removes the user, and runs the triggers.
  if (await users.removeMarked(userId)) triggers.fire('DELETE', providersOf(user.identities), userObject)
  return true
}

/** Makes the object of a user with the custom data as of now. */
export async function describeUser(
  user: StoredUser,
  type: UserType,
  userData: Parts['userData'],
): Promise<UserObject> {
  const customData = await userData.forUser(user._id.toHexString()).read()
  return toUserObject(user, customData ?? {}, type)
}

/** A document that cannot be read, for example because it is too large, must not prevent a deletion. */
async function describeDeleted(
  user: StoredUser,
  type: UserType,
  { userData, report }: DeletionParts,
): Promise<UserObject> {
  try {
    return await describeUser(user, type, userData)
  } catch (error) {
    report(error)
    return toUserObject(user, {}, type)
  }
}
