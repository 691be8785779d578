import { withDeadline } from './deadline.js'
import type { Events } from './events.js'
import type { UserIdIndex } from './custom-data/user-id-index.js'
import type { TeamDatabase } from './mongo/team-database.js'
import type { ChangeFeed } from './mongo/change-stream.js'
import { PLAIN_BSON } from './mongo/team-database.js'
import type { SessionStore } from './sessions/session-store.js'
import type { AttemptStore } from './throttle/attempt-store.js'

/** What readiness is made of. */
export interface ReadinessParts {
  readonly database: TeamDatabase
  readonly index: UserIdIndex
  readonly sessions: SessionStore
  /** Absent where no logins are counted. */
  readonly loginAttempts: Pick<AttemptStore, 'ensureIndexes'> | undefined
  readonly changeFeeds: ChangeFeed
  readonly events: Events
}

/** Whether an instance can serve. */
export interface Readiness {
  /** Makes the indexes and opens the change streams once, then only pings. Rejects where MongoDB is away or an index cannot be had. */
  ready: () => Promise<void>
  /** The same in the background, once, for apps that never ask. */
  start: () => void
}

/** Creates the readiness of one instance. `timeoutMs` bounds a ping; building an index takes what it takes. */
export function createReadiness(
  { database, index, sessions, loginAttempts, changeFeeds, events }: ReadinessParts,
  timeoutMs: number,
): Readiness {
  let indexes: Promise<void> | undefined

  function ensureIndexes(): Promise<void> {
    indexes ??= makeIndexes().catch((error: unknown) => {
      // Not remembered: MongoDB may be back, or the duplicates gone, the next time.
      indexes = undefined
      throw error
    })
    return indexes
  }

  async function makeIndexes(): Promise<void> {
    await ping()
    await index.ensure(await database.collection())
    await sessions.ensureIndexes()
    await loginAttempts?.ensureIndexes()
  }

  async function ping(): Promise<void> {
    await withDeadline(timeoutMs, async signal => {
      const limits = { signal, maxTimeMS: timeoutMs, projection: { _id: 1 } }
      return (await database.collection()).findOne(
        {},
        { ...PLAIN_BSON, readPreference: 'primary', ...limits },
      )
    })
  }

  let started = false
  return {
    async ready() {
      changeFeeds.start()
      const makesThemNow = indexes === undefined
      await ensureIndexes()
      if (!makesThemNow) await ping()
      await changeFeeds.settled()
    },
    start() {
      if (started) return
      started = true
      changeFeeds.start()
      ensureIndexes().catch((error: unknown) => {
        started = false
        if (isConflict(error)) events.warn({ code: 'user_id_index_conflict', message: error.message })
      })
    },
  }
}

function isConflict(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'user_id_index_conflict'
}
