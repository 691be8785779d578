import { setTimeout as wait } from 'node:timers/promises'
import type { ChangeStream, ChangeStreamOptions, Collection, Document } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { toError } from '../util/thrown.js'
import { codeOf, hasCode, hasLabel } from './server-errors.js'
import { createStaleLimit } from './stale-limit.js'
import type { Moment, StaleLimit } from './stale-limit.js'
import { PLAIN_BSON } from './team-database.js'

/** What every change event has. `invalidate` is the last one of a stream: its collection was dropped or renamed. */
export interface ChangeEvent {
  readonly operationType: string
}

/** The collection that is followed, and the functions that handle its changes. */
export interface ChangeSource<Change extends ChangeEvent> {
  readonly collection: () => Promise<Collection>
  readonly pipeline: readonly Document[]
  /** Handles one change. If it throws, `resync` is called, and the stream goes on with the next event. */
  readonly handle: (change: Change) => void
  /** Called when changes may have been missed. It must read again or drop everything that they may concern. */
  readonly resync: () => void | Promise<void>
  readonly report: (state: ChangeStreamState | 'skipped', error?: Error) => void
}

/** How long data is served without a current stream, and how time is measured. */
export interface ChangeFeedTiming {
  /** While the stream is not current, `resync` is called at least once in this many milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Waits before the stream is opened again. Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * `open`: from now on; what came before is not known. `broken`: it is being opened again. `resumed`: nothing was missed.
 * `unavailable`: this server, or this database user, has no change streams, and it is not asked again.
 */
export type ChangeStreamState = 'open' | 'broken' | 'resumed' | 'unavailable'

/** A change stream that is kept open. */
export interface ChangeFeed {
  /** Opens it in the background, once. */
  start: () => void
  /** Resolves when the first attempt to open it has succeeded or failed. Never rejects. */
  settled: () => Promise<void>
  /**
   * Whether this instance knows what other processes have changed. False before the stream has opened, after it was broken
   * for longer than `changeStreamTimeoutMs`, if no stream is possible, and after `close()`.
   */
  isOpen: () => boolean
  close: () => void
}

/** How soon a stream has to answer: far longer than the server waits for a change. */
const ANSWER_LIMIT_MS = 15_000
/** How long the server waits for a change before it answers that there is none: the stream's heartbeat. */
const MAX_AWAIT_MS = 1_000
/** Most events in one answer. An answer with fewer events contains all events that the server has. */
const BATCH_SIZE = 1_000
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000
/** A stream that was open for this long is opened again at once when it breaks. */
const STABLE_AFTER_MS = 10_000
/** A stream that was opened this often at one position, and always failed without an answer, is stuck at an event. */
const MAX_FRUITLESS = 3

/**
 * After these a resume token is still good, and a stream can be opened: the change stream specification's list, what ends
 * a cursor from outside (237, 11601), and what passes while a server starts or is busy (24, 50, 94, 134, 202, 211, 246).
 */
const RESUMABLE = [
  6, 7, 24, 43, 50, 63, 89, 91, 94, 133, 134, 150, 189, 202, 211, 234, 237, 246, 262, 9001, 10107, 11600,
  11601, 11602, 13388, 13435, 13436,
]

/** The stream has ended for good: what comes after can only be followed from now on. */
class StreamEndedError extends Error {
  override readonly name = 'StreamEndedError'
}

/** One answer of a stream: an event, or `null` if there is none. */
interface StreamAnswer<Change> {
  readonly change: Change | null
  readonly askedAt: Moment
  /** Whether the server was asked. Otherwise the driver already held the event from the answer before. */
  readonly isNewBatch: boolean
}

/**
 * Keeps one stream open. The driver resumes by itself after most errors. After other errors the stream is opened again with
 * the last resume token. If the server refuses that token, or if the stream is stuck at an event, the stream starts at the
 * present and calls `resync`.
 */
export function createChangeFeed<Change extends ChangeEvent>(
  source: ChangeSource<Change>,
  timing: ChangeFeedTiming,
): ChangeFeed {
  return new FollowedCollection(source, timing)
}

class FollowedCollection<Change extends ChangeEvent> implements ChangeFeed {
  readonly #source: ChangeSource<Change>
  readonly #timeoutMs: number
  readonly #wait: NonNullable<ChangeFeedTiming['wait']>
  readonly #limit: StaleLimit
  readonly #closing = new AbortController()
  readonly #settled: Promise<void>
  #settle!: () => void
  #running: Promise<void> | undefined
  #resumeToken: unknown
  #state: ChangeStreamState | undefined
  /** When the stream was opened; `undefined` while it is not open. */
  #openedAt: Moment | undefined
  #failures = 0
  /** How many opened streams have failed since the last answer. */
  #fruitless = 0

  constructor(
    source: ChangeSource<Change>,
    { timeoutMs, clock, wait: waitFor = waitUnreferenced }: ChangeFeedTiming,
  ) {
    this.#source = source
    this.#timeoutMs = timeoutMs
    this.#wait = waitFor
    this.#limit = createStaleLimit(timeoutMs, clock, () => void this.#resyncQuietly())
    this.#settled = new Promise<void>(resolve => (this.#settle = resolve))
  }

  start(): void {
    if (this.#running || this.#closing.signal.aborted) return
    this.#limit.start()
    // close() makes it reject.
    this.#running = this.#run().catch(() => undefined)
  }

  settled(): Promise<void> {
    return this.#settled
  }

  isOpen(): boolean {
    return !this.#closing.signal.aborted && this.#state !== 'unavailable' && this.#limit.isWithin()
  }

  close(): void {
    this.#closing.abort()
    this.#limit.stop()
    this.#settle()
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        await this.#follow()
      } catch (error) {
        // A stream that was closed fails, too.
        this.#closing.signal.throwIfAborted()
        if (await this.#isOver(toError(error))) return
      }
    }
  }

  async #follow(): Promise<never> {
    const { signal } = this.#closing
    const collection = await this.#source.collection()
    signal.throwIfAborted()
    const stream = collection.watch<Document, Change & Document>(
      [...this.#source.pipeline],
      this.#toOptions(),
    )
    const close = (): void => {
      stream.close().catch(() => undefined)
    }
    signal.addEventListener('abort', close)
    try {
      const first = this.#next(stream)
      // An empty first batch brings a token, and has the driver wait for the next batch at once.
      await Promise.race([first, new Promise(resolve => stream.once('resumeTokenChanged', resolve))])
      await this.#opened()
      this.#resumeToken ??= stream.resumeToken
      await this.#handleAll(stream, first)
      // Following a stream only ends by an error, so this line is never reached.
      throw new StreamEndedError('The change stream has ended.')
    } finally {
      signal.removeEventListener('abort', close)
      close()
    }
  }

  async #handleAll(
    stream: ChangeStream<Document, Change & Document>,
    first: Promise<StreamAnswer<Change>>,
  ): Promise<void> {
    let batch: { readonly askedAt: Moment; events: number } | undefined
    for (let answer = await first; ; answer = await this.#next(stream)) {
      this.#fruitless = 0
      if (this.#resumeToken !== undefined) this.#tell('resumed')
      if (batch && answer.isNewBatch && batch.events < BATCH_SIZE) this.#limit.currentAsOf(batch.askedAt)
      if (!batch || answer.isNewBatch) batch = { askedAt: answer.askedAt, events: 0 }
      if (answer.change) {
        batch.events++
        await this.#take(answer.change)
      } else {
        this.#limit.currentAsOf(answer.askedAt)
      }
      this.#resumeToken = stream.resumeToken
    }
  }

  async #next(stream: ChangeStream<Document, Change & Document>): Promise<StreamAnswer<Change>> {
    const askedAt = this.#limit.now()
    let isNewBatch = false
    // tryNext() gives an event that the driver already holds before this callback runs, and a server's answer after it.
    const asking = setImmediate(() => (isNewBatch = true))
    try {
      // Without a limit a dead connection would block the stream until the operating system gives up.
      const change = await withDeadline(ANSWER_LIMIT_MS, () => stream.tryNext())
      if (stream.closed) throw new StreamEndedError('The change stream was closed.')
      return { change, askedAt, isNewBatch }
    } finally {
      clearImmediate(asking)
    }
  }

  async #take(change: Change): Promise<void> {
    if (change.operationType === 'invalidate')
      throw new StreamEndedError('The collection was dropped or renamed.')
    try {
      this.#source.handle(change)
    } catch (error) {
      this.#source.report('skipped', toError(error))
      // The event may concern anything. If the resync fails, the stream breaks, and the event comes again.
      await this.#resync()
    }
  }

  async #opened(): Promise<void> {
    this.#openedAt = this.#limit.now()
    if (this.#resumeToken === undefined) {
      await this.#resync()
      this.#limit.currentAsOf(this.#openedAt)
      this.#tell('open')
    }
    this.#settle()
  }

  #tell(next: ChangeStreamState, error?: Error): void {
    if (next === this.#state || (next === 'resumed' && this.#state === 'open')) return
    this.#state = next
    this.#source.report(next, error)
  }

  /** Whether there is nothing to be tried any more; otherwise returns when it is time to try again. */
  async #isOver(error: Error): Promise<boolean> {
    this.#limit.check()
    const isFinal = !isResumable(error)
    // The server refused to open a new stream: it is standalone, it has no change streams, or the user has no right to them.
    const isUnavailable = isFinal && this.#resumeToken === undefined && codeOf(error) !== undefined
    if (isFinal || this.#isStuck()) {
      this.#resumeToken = undefined
      await this.#resyncQuietly()
    }
    if (isUnavailable) this.#limit.stop()
    this.#tell(isUnavailable ? 'unavailable' : 'broken', error)
    this.#settle()
    if (!isUnavailable) await this.#wait(this.#nextRetryMs(), this.#closing.signal)
    return isUnavailable
  }

  /** Counts a failure, and tells whether the stream can be opened but always fails at the same position. */
  #isStuck(): boolean {
    if (this.#openedAt) this.#fruitless++
    if (this.#fruitless < MAX_FRUITLESS) return false
    this.#fruitless = 0
    return true
  }

  /** Waits grow for a stream that opens and fails at once, as for a stream that does not open. */
  #nextRetryMs(): number {
    if (this.#openedAt && this.#limit.elapsedMs(this.#openedAt) >= STABLE_AFTER_MS) this.#failures = 0
    this.#openedAt = undefined
    return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures++)
  }

  async #resync(): Promise<void> {
    await this.#source.resync()
    this.#limit.dropped()
  }

  async #resyncQuietly(): Promise<void> {
    try {
      await this.#resync()
    } catch {
      // It is called again, once the stream is open and while it is not.
    }
  }

  #toOptions(): ChangeStreamOptions {
    return {
      ...PLAIN_BSON,
      // Only ids are used. Text that is not UTF-8 in another field must not block the events after it.
      enableUtf8Validation: false,
      readPreference: 'primary',
      fullDocument: 'updateLookup',
      batchSize: BATCH_SIZE,
      maxAwaitTimeMS: Math.min(MAX_AWAIT_MS, Math.ceil(this.#timeoutMs / 4)),
      ...(this.#resumeToken !== undefined && { resumeAfter: this.#resumeToken }),
    }
  }
}

async function waitUnreferenced(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { ref: false, signal })
}

/**
 * Whether the stream can go on with the last resume token. Network errors have no code of the server. Other errors without
 * a code, such as a failure to decode an event, occur again at the same position.
 */
function isResumable(error: Error): boolean {
  if (hasCode(error, ...RESUMABLE) || hasLabel(error, 'ResumableChangeStreamError')) return true
  return codeOf(error) === undefined && (error.name === 'DeadlineError' || error.name.startsWith('Mongo'))
}
