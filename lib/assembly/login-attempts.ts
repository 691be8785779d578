import type { Collection } from 'mongodb'
import { LOGIN_ATTEMPT_COLLECTION } from '../login/attempt-documents.js'
import { createAttemptStore } from '../login/attempt-store.js'
import { createAccountNaming, createLoginDigestsOf } from '../login/login-digests.js'
import { openTeamDatabase } from '../mongo/team-database.js'
import type { Core } from './core.js'
import type { SessionParts } from './sessions.js'

/** The store of failed logins, and the digests of names and addresses in it. */
export type LoginAttempts = ReturnType<typeof createLoginAttempts>

/** Creates the store of failed logins: in the option's collection, or in one in the database of custom data. */
export function createLoginAttempts({ config, database, events }: Core, { scope, secrets }: SessionParts) {
  const optionName = 'loginAttemptCollection'
  const given =
    config.loginAttemptCollection && openTeamDatabase(config.loginAttemptCollection, { optionName })
  const find = (): Promise<Collection> => given?.collection() ?? database.sibling(LOGIN_ATTEMPT_COLLECTION)
  const store = createAttemptStore({ ...scope, timeoutMs: config.sessionTimeoutMs }, find, events)
  const digests = createLoginDigestsOf(secrets)
  return { store, digests, nameAccounts: createAccountNaming(config.accountsInEvents, digests) }
}
