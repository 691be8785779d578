import type { DatabaseLike } from './options.js'
import { AppServicesError } from './wire/errors.js'

/** The collections of this entry point. No app has such names by chance. */
const NAMES = {
  users: 'custom_user_data_app_services_users',
  emailAccounts: 'custom_user_data_app_services_email_accounts',
  apiKeys: 'custom_user_data_app_services_api_keys',
} as const

/**
 * Options of these collections, whatever the team's client has for its own. A secondary would still show a key that was
 * disabled. A write without an acknowledgement would not tell that a unique index has refused it, and a failover must not
 * roll back what was confirmed to a client.
 */
const EXACT = {
  readPreference: 'primary',
  writeConcern: { w: 'majority', wtimeoutMS: 60_000 },
  raw: false,
  promoteBuffers: false,
} as const

/** Finds the collections of this entry point in the team's database. */
export class OwnCollections {
  readonly #database: DatabaseLike | (() => DatabaseLike)

  constructor(database: DatabaseLike | (() => DatabaseLike)) {
    this.#database = database
  }

  /** The driver's collection. A connection that opens again may have another database object. */
  find(name: keyof typeof NAMES): unknown {
    const database = typeof this.#database === 'function' ? this.#database() : this.#database
    // `mongoose.connection.db` is not there before the connection is open.
    if ((database as DatabaseLike | undefined | null) == null) throw notOpen()
    return database.collection(NAMES[name], EXACT)
  }
}

function notOpen(): AppServicesError {
  return new AppServicesError('MaintenanceInProgress', 'the service is not available for the moment', {
    cause: new Error(
      'createAppServices(): the function of the option "database" returned no database. Connect before requests arrive.',
    ),
    headers: { 'Retry-After': '1' },
  })
}
