import { createContextKeeper } from '../util/async-context.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { UserIdIndex } from '../documents/user-id-index.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { ChangeFeeds } from '../mongo/change-feeds.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { checkDuplicateDocuments } from './duplicate-documents.js'

/** A collection of this package, which needs indexes. */
interface OwnCollection {
  readonly ensureIndexes: () => Promise<void>
}

export interface ReadinessParts {
  readonly database: TeamDatabase
  readonly index: UserIdIndex
  readonly sessions: OwnCollection
  /** Absent if no logins are counted. */
  readonly loginAttempts: OwnCollection | undefined
  readonly changeFeeds: Pick<ChangeFeeds, 'start' | 'settled'>
  readonly events: Events
}

export interface ReadinessConfig {
  readonly userIdField: string
  /** Limits a ping and the search for duplicates, in milliseconds. Building an index has no limit. */
  readonly loadTimeoutMs: number
}

export class Readiness {
  readonly #parts: ReadinessParts
  readonly #config: ReadinessConfig
  #indexes: Promise<{ readonly isUnique: boolean }> | undefined
  #hasSearched = false
  #hasStarted = false
  readonly #outsideRequests = createContextKeeper()

  constructor(parts: ReadinessParts, config: ReadinessConfig) {
    this.#parts = parts
    this.#config = config
  }

  /**
   * The first call makes the indexes, searches for users with several documents and opens the change streams. Later calls
   * only ping. Rejects if MongoDB is away or an index cannot be made.
   */
  async ready(): Promise<void> {
    const { changeFeeds } = this.#parts
    changeFeeds.start()
    const makesThemNow = this.#indexes === undefined
    const { isUnique } = await this.#ensureIndexes()
    if (!makesThemNow) await this.#ping()
    if (!isUnique) await this.#searchDuplicates()
    await changeFeeds.settled()
  }

  /** Makes the indexes and opens the change streams in the background, once, for apps that never call `ready()`. */
  start(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#parts.changeFeeds.start()
    this.#outsideRequests(() => this.#ensureIndexes()).catch((error: unknown) =>
      this.#reportFailedStart(error),
    )
  }

  #ensureIndexes(): Promise<{ readonly isUnique: boolean }> {
    this.#indexes ??= this.#outsideRequests(() =>
      this.#makeIndexes().catch((error: unknown) => {
        // The next call tries again, because MongoDB may be back or the duplicates may be gone.
        this.#indexes = undefined
        throw error
      }),
    )
    return this.#indexes
  }

  async #makeIndexes(): Promise<{ readonly isUnique: boolean }> {
    const { database, index, sessions, loginAttempts } = this.#parts
    await this.#ping()
    const { isUnique } = await index.ensure(await database.collection())
    await sessions.ensureIndexes()
    await loginAttempts?.ensureIndexes()
    return { isUnique }
  }

  /** Runs once, and only by `ready()`: it reads every user id, which no request should cause. */
  async #searchDuplicates(): Promise<void> {
    if (this.#hasSearched) return
    this.#hasSearched = true
    const { userIdField, loadTimeoutMs: timeoutMs } = this.#config
    const collection = await this.#parts.database.collection()
    const warning = await checkDuplicateDocuments(collection, { userIdField, timeoutMs })
    if (warning) this.#parts.events.warn(warning)
  }

  async #ping(): Promise<void> {
    const { database, events } = this.#parts
    const maxTimeMS = this.#config.loadTimeoutMs
    await withDeadline(maxTimeMS, async signal => {
      const collection = await database.collection()
      const options = { ...PLAIN_BSON, readPreference: 'primary', projection: { _id: 1 } } as const
      return readFromPrimary(collection, { signal, events }, () =>
        collection.findOne({}, { ...options, signal, maxTimeMS }),
      )
    })
  }

  #reportFailedStart(error: unknown): void {
    const { events } = this.#parts
    const foreign = asCustomUserDataError(error)
    if (foreign?.code === 'foreign_collection') {
      // This lasts until the team acts, so one warning is enough. Operations on the collection reject with this message.
      events.warn({ code: 'foreign_collection', message: foreign.message })
      return
    }
    this.#hasStarted = false
    if (isConflict(error)) events.warn({ code: 'user_id_index_conflict', message: error.message })
  }
}

function isConflict(error: unknown): error is Error {
  return (error as { readonly code?: unknown } | undefined)?.code === 'user_id_index_conflict'
}
