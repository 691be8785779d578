import type { LatestDocument, Load, Loader } from '../documents/loader.js'
import { CustomUserDataError } from '../errors.js'
import type { CustomDataChanges } from '../mongo/change-feeds.js'
import { createConcurrencyLimit } from '../util/concurrency-limit.js'
import { DeadlineError, withDeadline } from '../util/deadline.js'
import { createChangeIndex } from './change-index.js'
import { toChangeKeys, toDocumentKey, toUserKey } from './change-key.js'
import type { DocumentChanges } from './document-changes.js'
import { DocumentWatch } from './document-watch.js'
import type { InvalidationTarget } from './invalidations.js'

/** Each open watch keeps the user's document in memory. */
export const MAX_WATCHES = 10_000

/** After a resync all watches read. Requests must not wait behind them. */
const MAX_READS = 4

const OFF =
  'forUser().watch() needs change streams, and the option "changeStreams" is "off". Write changeStreams: "auto".'
const UNAVAILABLE =
  'MongoDB gives no change stream on the collection of custom data. Run a replica set, grant the right changeStream, or ' +
  'raise maxPoolSize, and open the watch again. The event change_stream tells the reason.'
const NOT_OPEN =
  'The change stream on custom data is not open. Open the watch again later. The event change_stream tells when it is open.'
const TOO_MANY = `This instance has ${MAX_WATCHES} open watches. End those that nobody reads, by their signal or by return().`

export interface DocumentWatchesParts {
  readonly loader: Loader
  readonly changes: CustomDataChanges
  /** Opens the change streams, once. */
  readonly start: () => void
}

/** The open watches of an instance. A change or an invalidation wakes each watch of a user whom it may concern. */
export class DocumentWatches implements InvalidationTarget {
  readonly #parts: DocumentWatchesParts
  readonly #timeoutMs: number
  readonly #watches = new Set<DocumentWatch>()
  readonly #index = createChangeIndex<DocumentWatch>()
  readonly #reads = createConcurrencyLimit(MAX_READS)
  #closed = false

  constructor({ loadTimeoutMs }: { readonly loadTimeoutMs: number }, parts: DocumentWatchesParts) {
    this.#timeoutMs = loadTimeoutMs
    this.#parts = parts
    parts.changes.onUnavailable(cause => {
      this.#endAll(() => new CustomUserDataError('changes_unavailable', UNAVAILABLE, { cause }))
    })
  }

  /** The number of open watches. */
  get size(): number {
    return this.#watches.size
  }

  /**
   * Opens a watch. The document is read after the watch is known, so that no change between the two is lost. If the signal has
   * aborted, the result has no changes.
   */
  async open(userId: string, signal?: AbortSignal): Promise<DocumentChanges<object>> {
    this.#requireFree()
    const watch = new DocumentWatch(userId, {
      load: (...given) => this.#load(...given),
      forget: ended => {
        signal?.removeEventListener('abort', abort)
        this.#forget(ended)
      },
    })
    const abort = (): void => {
      watch.end()
    }
    this.#watches.add(watch)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) abort()
    try {
      await watch.untilEnded(this.#requireStream())
      if (watch.current) await watch.begin()
      watch.throwFailure()
    } catch (error) {
      watch.end()
      throw error
    }
    return watch.toChanges()
  }

  changed(documentId: unknown, userIdValue: unknown): void {
    if (this.#watches.size === 0) return
    const keys = toChangeKeys(documentId, userIdValue)
    if (keys) this.#wake(this.#index.changed(keys))
    else this.invalidateAll()
  }

  invalidate(userId: string): void {
    if (this.#watches.size > 0) this.#wake(this.#index.changed([toOwnKey(userId)]))
  }

  invalidateAll(): void {
    this.#wake(this.#watches)
  }

  /** Ends all watches with the error `closed`, and refuses new ones. */
  close(): void {
    this.#closed = true
    this.#endAll(closed)
  }

  #requireFree(): void {
    if (this.#closed) throw closed()
    if (this.#parts.changes.state() === 'off') throw new CustomUserDataError('changes_unavailable', OFF)
    if (this.#watches.size >= MAX_WATCHES) throw new CustomUserDataError('changes_unavailable', TOO_MANY)
  }

  /** Waits for the first attempt to open the stream. Rejects if the stream is not open then. */
  async #requireStream(): Promise<void> {
    const { changes, start } = this.#parts
    start()
    try {
      await withDeadline(this.#timeoutMs, () => changes.settled())
    } catch (cause) {
      if (!(cause instanceof DeadlineError)) throw cause
    }
    if (changes.isOpen()) return
    const isRefused = changes.state() === 'unavailable'
    throw new CustomUserDataError('changes_unavailable', isRefused ? UNAVAILABLE : NOT_OPEN)
  }

  #load(watch: DocumentWatch, latest: LatestDocument, signal: AbortSignal): Promise<Load> {
    return this.#reads.run(signal, async () => {
      const mark = this.#index.begin()
      try {
        const loaded = await this.#parts.loader.load(watch.userId, latest)
        this.#noteKeys(watch, loaded, mark)
        return loaded
      } finally {
        this.#index.end()
      }
    })
  }

  #noteKeys(watch: DocumentWatch, { userIdValues, exists, documentId }: Load, mark: number): void {
    const keys = [toOwnKey(watch.userId), ...userIdValues.map(toUserKey)]
    if (exists) keys.push(toDocumentKey(documentId))
    if (keys.join('\n') !== watch.keys.join('\n')) this.#index.forget(watch)
    watch.keys = keys
    if (this.#index.hasChanged(mark, watch, () => keys)) watch.wake()
  }

  #wake(watches: Iterable<DocumentWatch>): void {
    for (const watch of watches) watch.wake()
  }

  #forget(watch: DocumentWatch): void {
    this.#watches.delete(watch)
    this.#index.forget(watch)
  }

  #endAll(toFailure: () => CustomUserDataError): void {
    for (const watch of this.#watches) watch.end(toFailure())
  }
}

/** The key of invalidations, which name the user and no value of the user id field. */
function toOwnKey(userId: string): string {
  return `id ${userId}`
}

function closed(): CustomUserDataError {
  return new CustomUserDataError('closed', 'The server is shutting down.')
}
