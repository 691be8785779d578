import type { Collection } from 'mongodb'
import type { WarningEvent } from '../events.js'
import { normalizeUsername } from '../login/user-finder.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { lookInTime } from './check.js'
import type { CheckLimits } from './check.js'
import type { SetUpWarnings } from './set-up-warnings.js'

/** A collection of users whose names are normalized at a login. */
interface Users {
  readonly open: () => Promise<Collection>
  readonly collectionName: string
  readonly usernameField: string
}

/** Names with capital letters, or with white space at an end. The server knows more capital letters than JavaScript. */
const NOT_NORMALIZED = String.raw`^[\s\p{Z}\x{FEFF}]|[\s\p{Z}\x{FEFF}]$|[\p{Lu}\p{Lt}]`
/** The most names that are read, because some capital letters, such as those of mathematics, have no small form. */
const MOST_READ = 20

/** The users collections whose names are normalized, and the check that their stored names are normalized too. */
export class StoredUsernames {
  readonly #unchecked = new Set<Users>()

  /** Notes a collection for the next check. */
  add(users: Users): void {
    this.#unchecked.add(users)
  }

  /** Looks at each collection once. It only warns; an outage is an error of the commands that need an answer. */
  async check(timeoutMs: number, warnings: Pick<SetUpWarnings, 'isOff' | 'each'>): Promise<void> {
    if (warnings.isOff('username_not_normalized')) return
    for (const users of this.#unchecked) {
      this.#unchecked.delete(users)
      try {
        const found = await lookInTime(
          timeoutMs,
          async limits => findOddUsernames(await users.open(), users.usernameField, limits),
          () => [toUnchecked(users, timeoutMs)],
        )
        for (const warning of found) warnings.each(warning)
      } catch {
        this.#unchecked.add(users)
        return
      }
    }
  }
}

/** Looks for stored names that a login with `normalizeUsername` does not find. */
export async function findOddUsernames(
  collection: Collection,
  usernameField: string,
  limits: CheckLimits,
): Promise<WarningEvent[]> {
  const filter = toFilter(usernameField)
  const found = await collection
    .find(filter, {
      ...PLAIN_BSON,
      projection: { _id: 0, [usernameField]: 1 },
      readPreference: 'primary',
      limit: MOST_READ,
      maxTimeMS: limits.timeoutMs,
      signal: limits.signal,
    })
    .toArray()
  const names = found.map(user => user[usernameField] as unknown)
  if (!names.some(name => typeof name === 'string' && normalizeUsername(name) !== name)) return []
  const { namespace, dbName, collectionName } = collection
  const message =
    `The field "${usernameField}" of ${namespace} holds names with capital letters, or with spaces around them. With ` +
    'normalizeUsername: true such a user logs in only with the name exactly as it is stored, and not at all if another user ' +
    'has the normalized name. Normalize these names. To find them: ' +
    `db.getSiblingDB(${JSON.stringify(dbName)}).getCollection(${JSON.stringify(collectionName)}).find(${JSON.stringify(filter)})`
  return [{ code: 'username_not_normalized', message }]
}

function toFilter(usernameField: string) {
  return { [usernameField]: { $regex: NOT_NORMALIZED } }
}

/** Says that the names were not checked. The search is not repeated, because it would take the same time again. */
function toUnchecked({ collectionName, usernameField }: Users, timeoutMs: number): WarningEvent {
  const message =
    `The names in the field "${usernameField}" of the collection "${collectionName}" could not be checked within ${timeoutMs} ms. With ` +
    'normalizeUsername: true a user whose stored name has capital letters or spaces around it may not be able to log in. ' +
    `Raise readyTimeoutMs, or find such names yourself: ${JSON.stringify(toFilter(usernameField))}`
  return { code: 'usernames_not_checked', message }
}
