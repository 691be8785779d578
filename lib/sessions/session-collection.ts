import type { Collection, Document } from 'mongodb'
import type { Events } from '../events.js'
import { toDatabaseError } from '../mongo/database-errors.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import type { ExactOperations } from '../mongo/exact-operations.js'
import { MARKED } from '../mongo/own-collection.js'
import type { OwnIndex } from '../mongo/own-collection.js'
import { readFromPrimary } from '../mongo/primary-check.js'
import { withDeadline } from '../util/deadline.js'

/**
 * How long the document of a session is kept after its end: longer than any access token lives, so that a process that was
 * away still finds out. A user who logs in and out all day would otherwise fill the collection.
 */
export const ENDED_KEPT_SECONDS = 25 * 3_600

/** The name of the collection of sessions, unless the team gives another. */
export const SESSION_COLLECTION = 'custom_user_data_sessions'

/** The indexes of the collection of sessions. Each covers only documents that have our mark. */
export const SESSION_INDEXES: readonly OwnIndex[] = [
  // This index only cleans up, because each query checks by itself whether a session is over.
  { fields: ['expiresAt'], options: { name: 'session_expiry', expireAfterSeconds: 0 } },
  // A session that was not used ends long before `expiresAt` if the team chose a short idle time and a long life.
  {
    fields: ['idleExpiresAt'],
    options: { name: 'session_idle_expiry', expireAfterSeconds: ENDED_KEPT_SECONDS },
  },
  // The sessions of a user that are alive are found without the sessions that have ended, which may be many more.
  { fields: ['userId', 'revokedAt'], options: { name: 'session_user', collation: { locale: 'simple' } } },
  // This index covers only revoked sessions and users. They are few, and read only when changes may have been missed.
  {
    fields: ['revokedAt'],
    options: {
      name: 'session_revoked',
      collation: { locale: 'simple' },
      partialFilterExpression: { ...MARKED, revokedAt: { $type: 'date' } },
    },
  },
]

/** One operation on the collection, with the options for its reads and its writes. */
type Operation<T extends Document, Result> = (
  collection: Collection<T>,
  options: ExactOperations,
) => Promise<Result>

/** Opens the collection of sessions. The first write creates it. */
export type OpenSessions<T extends Document> = (purpose: 'read' | 'write') => Promise<Collection<T>>

/**
 * The collection of sessions, which also holds the records of users. An operation that does not end in time rejects with
 * `sessions_unavailable`, and one that cannot succeed with an error of its own.
 */
export class SessionCollection<T extends Document> {
  readonly #timeoutMs: number
  readonly #open: OpenSessions<T>
  readonly #events: Events
  /** What its documents are called in error messages. */
  readonly #content: string

  constructor(content: string, timeoutMs: number, open: OpenSessions<T>, events: Events) {
    this.#content = content
    this.#timeoutMs = timeoutMs
    this.#open = open
    this.#events = events
  }

  /** Runs a write. A server that is not the primary refuses writes by itself. */
  write<Result>(operation: Operation<T, Result>): Promise<Result> {
    return this.#run('write', operation)
  }

  async #run<Result>(purpose: 'read' | 'write', operation: Operation<T, Result>): Promise<Result> {
    try {
      return await withDeadline(this.#timeoutMs, async signal =>
        operation(await this.#open(purpose), toExactOperations(this.#timeoutMs, signal)),
      )
    } catch (cause) {
      const message = `The ${this.#content} could not be read or written in time.`
      throw toDatabaseError(cause, { code: 'sessions_unavailable', message })
    }
  }

  /** Runs a read, and rejects if the server is not the primary. */
  read<Result>(operation: Operation<T, Result>): Promise<Result> {
    return this.#run('read', (collection, options) => {
      const { signal } = options.read
      return readFromPrimary(collection, { signal, events: this.#events }, () =>
        operation(collection, options),
      )
    })
  }
}
