import type { Document } from 'mongodb'
import { toDatabaseError } from '../mongo/database-errors.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import { withDeadline } from '../util/deadline.js'
import { UNAVAILABLE } from './password-check.js'

/** Names are compared exactly: with a collation of strength 2, `bob` could log in as Bob. */
const EXACT = { collation: { locale: 'simple' }, readPreference: 'primary' } as const

/** The names of one user, as the client sent the name and as the team stores names. */
export interface SentName {
  readonly raw: string
  /** The raw name, if names are not normalized. */
  readonly normalized: string
}

/** The form of a name with `normalizeUsername`, which is also that of mongoose's `trim` and `lowercase`. */
export function normalizeUsername(name: string): string {
  return name.trim().toLowerCase()
}

/**
 * Creates the function that finds the user with a name: first the normalized name, and then the name as it was sent. Both are
 * always searched, so that the time does not tell which one exists. Rejects with `credentials_unavailable` if MongoDB does not
 * answer in time.
 */
export function createUserFinder(database: TeamDatabase, usernameField: string, timeoutMs: number) {
  async function findOne(name: string, signal: AbortSignal): Promise<Document | undefined> {
    const collection = await database.collection()
    const options = { ...PLAIN_BSON, ...EXACT, signal, maxTimeMS: timeoutMs }
    const found = await collection.findOne({ [usernameField]: { $eq: name } }, options)
    // A list that contains the name matches too, but names nobody.
    return found?.[usernameField] === name ? found : undefined
  }

  return ({ normalized, raw }: SentName): Promise<Document | undefined> =>
    withDeadline(timeoutMs, async signal => {
      const names = normalized === raw ? [raw] : [normalized, raw]
      const found = await Promise.all(names.map(name => findOne(name, signal)))
      return found.find(user => user !== undefined)
    }).catch((cause: unknown) => {
      throw toDatabaseError(cause, UNAVAILABLE)
    })
}
