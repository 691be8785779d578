import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { warnOfDuplicates } from '../documents/duplicate-warnings.js'
import type { UserIdIndex } from '../documents/user-id-index.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { ChangeFeed } from '../mongo/change-stream.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import type { AttemptStore } from '../login/attempt-store.js'

/** What readiness is made of. */
export interface ReadinessParts {
  readonly database: TeamDatabase
  readonly index: UserIdIndex
  readonly sessions: { readonly ensureIndexes: () => Promise<void> }
  /** Absent if no logins are counted. */
  readonly loginAttempts: Pick<AttemptStore, 'ensureIndexes'> | undefined
  readonly changeFeeds: ChangeFeed
  readonly events: Events
}

/** Whether an instance can serve. */
export interface Readiness {
  /**
   * The first call makes the indexes, searches for users with several documents and opens the change streams. Later calls
   * only ping. Rejects if MongoDB is away or an index cannot be made.
   */
  ready: () => Promise<void>
  /** The same in the background, once, for apps that never ask. */
  start: () => void
}

/** Settings of the checks. */
export interface ReadinessConfig {
  readonly userIdField: string
  /** Limits a ping and the search for duplicates. Building an index has no limit. */
  readonly loadTimeoutMs: number
}

/** Creates the readiness of one instance. */
export function createReadiness(
  { database, index, sessions, loginAttempts, changeFeeds, events }: ReadinessParts,
  { userIdField, loadTimeoutMs }: ReadinessConfig,
): Readiness {
  let indexes: Promise<{ readonly isUnique: boolean }> | undefined
  let hasSearched = false

  function ensureIndexes(): Promise<{ readonly isUnique: boolean }> {
    indexes ??= makeIndexes().catch((error: unknown) => {
      // Not remembered: MongoDB may be back, or the duplicates gone, the next time.
      indexes = undefined
      throw error
    })
    return indexes
  }

  async function makeIndexes(): Promise<{ readonly isUnique: boolean }> {
    await ping()
    const { isUnique } = await index.ensure(await database.collection())
    await sessions.ensureIndexes()
    await loginAttempts?.ensureIndexes()
    return { isUnique }
  }

  /** Runs once, and only by `ready()`: it reads every user id, which no request should cause. */
  async function searchDuplicates(): Promise<void> {
    if (hasSearched) return
    hasSearched = true
    await warnOfDuplicates(await database.collection(), { userIdField, loadTimeoutMs }, events)
  }

  async function ping(): Promise<void> {
    await withDeadline(loadTimeoutMs, async signal => {
      const collection = await database.collection()
      const limits = { signal, maxTimeMS: loadTimeoutMs, projection: { _id: 1 } }
      return readFromPrimary(collection, { signal, events }, () =>
        collection.findOne({}, { ...PLAIN_BSON, readPreference: 'primary', ...limits }),
      )
    })
  }

  let started = false
  return {
    async ready() {
      changeFeeds.start()
      const makesThemNow = indexes === undefined
      const { isUnique } = await ensureIndexes()
      if (!makesThemNow) await ping()
      if (!isUnique) await searchDuplicates()
      await changeFeeds.settled()
    },
    start() {
      if (started) return
      started = true
      changeFeeds.start()
      ensureIndexes().catch((error: unknown) => {
        const foreign = asCustomUserDataError(error)
        if (foreign?.code === 'foreign_collection') {
          // This lasts until the team acts, so one warning is enough. Operations on the collection reject with this message.
          events.warn({ code: 'foreign_collection', message: foreign.message })
          return
        }
        started = false
        if (isConflict(error)) events.warn({ code: 'user_id_index_conflict', message: error.message })
      })
    },
  }
}

function isConflict(error: unknown): error is Error {
  return (error as { readonly code?: unknown } | undefined)?.code === 'user_id_index_conflict'
}
