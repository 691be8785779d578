import type { Parts } from '../parts.js'
import type { StoredUser } from '../users/stored-user.js'
import { ApiKeyStore } from './api-key-store.js'
import { KeySessions } from './key-sessions.js'

/** The API keys of users, and the sessions that began with them. */
export type ApiKeys = ReturnType<typeof createApiKeys>

/** Creates the parts of API keys. */
export function createApiKeys({
  find,
  bson,
  now,
  userData,
  timeoutMs,
}: Pick<Parts, 'bson' | 'now' | 'userData'> & {
  readonly find: () => unknown
  readonly timeoutMs: number
}) {
  const store = new ApiKeyStore({ find, bson, timeoutMs, now })
  return {
    store,
    sessions: new KeySessions({ store, userData }),
    /** Removes the keys of a user who is being deleted. No failed logins are counted for keys. */
    clean: async ({ _id }: StoredUser): Promise<readonly string[]> => {
      await store.removeAll(_id.toHexString())
      return []
    },
  }
}
