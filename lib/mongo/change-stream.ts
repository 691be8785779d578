import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { ChangeStreamOptions, Collection, Document } from 'mongodb'
import { createContextKeeper } from '../util/async-context.js'
import type { Clock, Moment } from '../util/clock.js'
import { toError } from '../util/thrown.js'
import { PrimaryWatch } from './primary-state.js'
import type { AskPrimary } from './primary-state.js'
import { codeOf } from './server-errors.js'
import { createStaleLimit } from './stale-limit.js'
import type { StaleLimit } from './stale-limit.js'
import { PoolOccupiedError } from './stream-connections.js'
import { BATCH_SIZE, StreamEndedError, StreamReader } from './stream-answers.js'
import type { StreamAnswer } from './stream-answers.js'
import { isResumable, StreamRetries } from './stream-retries.js'
import { PLAIN_BSON } from './team-database.js'

/** A change event. The type `invalidate` marks the last event of a stream: the collection was dropped or renamed. */
export interface ChangeEvent {
  readonly operationType: string
  /** The cluster time of the change. Each pipeline must let it pass. */
  readonly clusterTime?: unknown
}

/** The collection that is followed, and the functions that handle its changes. */
export interface ChangeSource<Change extends ChangeEvent> {
  readonly collection: () => Promise<Collection>
  readonly primary: AskPrimary
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
 * `open`: the stream follows from now on, and earlier changes are unknown. `broken`: it is being opened again. `resumed`:
 * nothing was missed. `unavailable`: the server refuses to open a stream, or the pool of its client is
 * too small; it is tried again from time to time.
 */
export type ChangeStreamState = 'open' | 'broken' | 'resumed' | 'unavailable'

/** The state of a stream now. `opening`: no attempt to open it has ended yet. */
export type FeedState = 'opening' | 'open' | 'broken' | 'unavailable'

/** A change stream that is kept open. */
export interface ChangeFeed {
  /** Opens the stream in the background, once. */
  start: () => void
  /** Resolves when the first attempt to open it has succeeded or failed. Never rejects. */
  settled: () => Promise<void>
  /**
   * Whether this instance knows what other processes have changed. False before the stream has opened, after it was broken
   * for longer than `changeStreamTimeoutMs`, while the server refuses it, and after `close()`.
   */
  isOpen: () => boolean
  state: () => FeedState
  close: () => void
}

/** How long events are handled before requests get a turn of the event loop. */
const SLICE_MS = 5

/** How long the server waits for a change before it answers that there is none: the stream's heartbeat. */
const MAX_AWAIT_MS = 1_000

/**
 * Keeps one stream open, and never gives up. The driver resumes by itself after most errors. After other errors the stream is
 * opened again with the last resume token. If the server refuses that token, or if the stream is stuck at an event, the
 * stream starts at the present and calls `resync`.
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
  /** Whether the stream was open once since the feed was created. */
  #wasOpen = false
  readonly #primary: PrimaryWatch
  readonly #outsideRequests = createContextKeeper()
  readonly #retries = new StreamRetries()

  constructor(
    source: ChangeSource<Change>,
    { timeoutMs, clock, wait: waitFor = waitUnreferenced }: ChangeFeedTiming,
  ) {
    this.#source = source
    this.#timeoutMs = timeoutMs
    this.#wait = waitFor
    this.#primary = new PrimaryWatch(source.primary, clock)
    this.#limit = createStaleLimit(timeoutMs, clock, () => void this.#resyncQuietly())
    this.#settled = new Promise<void>(resolve => (this.#settle = resolve))
  }

  start(): void {
    if (this.#running || this.#closing.signal.aborted) return
    this.#running = this.#outsideRequests(() => {
      this.#limit.start()
      // Only close() makes it reject: #run() handles every other error, and reports it as a state.
      return this.#run().catch(() => undefined)
    })
  }

  settled(): Promise<void> {
    return this.#settled
  }

  state(): FeedState {
    return this.#state === 'resumed' ? 'open' : (this.#state ?? 'opening')
  }

  isOpen(): boolean {
    return !this.#closing.signal.aborted && this.#state !== 'unavailable' && this.#limit.isWithin()
  }

  close(): void {
    this.#closing.abort()
    this.#limit.stop()
    this.#settle()
  }

  async #run(): Promise<never> {
    for (;;) {
      try {
        await this.#follow()
      } catch (error) {
        // A stream that was closed fails, too.
        this.#closing.signal.throwIfAborted()
        await this.#untilNextAttempt(toError(error))
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
      // The instance is closing and needs the stream no more, so a stream that cannot be closed harms nobody.
      stream.close().catch(() => undefined)
    }
    signal.addEventListener('abort', close)
    try {
      const reader = new StreamReader(stream, () => this.#limit.now())
      const first = reader.next()
      // An empty first batch brings a token, and has the driver wait for the next batch at once.
      await Promise.race([first, new Promise(resolve => stream.once('resumeTokenChanged', resolve))])
      await this.#opened()
      this.#resumeToken ??= stream.resumeToken
      let sliceBeganAt = performance.now()
      for (let answer = await first; ; answer = await reader.next()) {
        await this.#handle(answer)
        this.#resumeToken = stream.resumeToken
        if (performance.now() - sliceBeganAt < SLICE_MS) continue
        // The driver gives the events of one answer without a pause, and there may be a thousand.
        await nextTurn()
        sliceBeganAt = performance.now()
      }
    } finally {
      signal.removeEventListener('abort', close)
      close()
    }
  }

  async #handle({ change, currentAsOf }: StreamAnswer<Change>): Promise<void> {
    this.#retries.answered()
    await this.#primary.askIfDue(() => this.#resync())
    // If handling the events takes longer than the limit, they are left out: everything is dropped and read again.
    this.#primary.requireNotBehind(change?.clusterTime, this.#timeoutMs)
    if (this.#resumeToken !== undefined) this.#tell('resumed')
    if (currentAsOf) this.#limit.currentAsOf(currentAsOf)
    if (change) await this.#take(change)
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
    await this.#primary.ask(() => this.#resync())
    // The limit was stopped while the server had refused every stream.
    if (!this.#wasOpen) this.#limit.start()
    this.#wasOpen = true
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

  /** Drops what may have been missed, reports the failure, and waits until it is time to try again. */
  async #untilNextAttempt(error: Error): Promise<void> {
    this.#limit.check()
    const isLost = !isResumable(error)
    // The server refused to open a new stream: it is standalone, or the user has no right to streams, or it has a reason that
    // may pass. Or the stream would leave too few connections for the app.
    const isRefused =
      (isLost && this.#resumeToken === undefined && codeOf(error) !== undefined) ||
      error instanceof PoolOccupiedError
    const openForMs = this.#openedAt && this.#limit.elapsedMs(this.#openedAt)
    this.#openedAt = undefined
    if (isLost || this.#retries.isStuck(openForMs !== undefined)) {
      this.#resumeToken = undefined
      // Where no stream was ever open, nobody relies on its events, so nothing was missed.
      if (this.#wasOpen || !isRefused) await this.#resyncQuietly()
    }
    // Where no stream was ever open, data is as old as snapshots may be, as it is with changeStreams: 'off'.
    if (isRefused && !this.#wasOpen) this.#limit.stop()
    this.#tell(isRefused ? 'unavailable' : 'broken', error)
    this.#settle()
    const waitMs = isRefused
      ? this.#retries.nextWaitAfterRefusalMs(error)
      : this.#retries.nextWaitMs(openForMs ?? 0)
    await this.#wait(waitMs, this.#closing.signal)
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
      // The server opens no stream with another read concern, and the team may have chosen one for its client.
      readConcern: { level: 'majority' },
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
