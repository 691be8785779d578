import { invalidSession } from '../wire/errors.js'
import type { StoredUser } from './stored-user.js'
import type { UserStore } from './user-store.js'

/**
 * Finds the user of an access token.
 * @throws AppServicesError `InvalidSession` for a user who was deleted. The refresh of the session fails too, so the client
 * stops after one round
 */
export async function requireUser(users: Pick<UserStore, 'findById'>, userId: string): Promise<StoredUser> {
  const user = await users.findById(userId)
  if (!user) throw invalidSession('the user does not exist any more')
  return user
}
