import { setTimeout as wait } from 'node:timers/promises'
import type { ChangeStream, ChangeStreamOptions, Collection, Document } from 'mongodb'
import { withDeadline } from '../deadline.js'
import { codeOf, hasCode, hasLabel } from './server-errors.js'
import { PLAIN_BSON } from './team-database.js'

/** What every change event has. `invalidate` is the last one of a stream: its collection was dropped or renamed. */
export interface ChangeEvent {
  readonly operationType: string
}

/** What a stream is about, and what is to be done with it. */
export interface ChangeSource<Change extends ChangeEvent> {
  readonly collection: () => Promise<Collection>
  readonly pipeline: readonly Document[]
  readonly handle: (change: Change) => void
  /** Called where changes may have been missed, once the stream is open; and while it is broken, now and then. */
  readonly resync: () => void | Promise<void>
  readonly report: (state: ChangeStreamState, error?: Error) => void
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
   * Whether this instance knows what others have changed. False before the stream has opened, while it is broken for longer
   * than `changeStreamTimeoutMs`, where no stream is possible, and after `close()`.
   */
  isOpen: () => boolean
  close: () => void
}

/** How soon a stream has to answer: far longer than the server waits for a change. */
const ANSWER_LIMIT_MS = 15_000
/** How long the server waits for a change before it answers that there is none: the stream's heartbeat. */
const MAX_AWAIT_MS = 1_000
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000

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

/**
 * Keeps one stream open. The driver resumes by itself after most errors; after all others the stream is opened again with
 * the last resume token, or, where the server refuses that, from now on and with a `resync`.
 *
 * @param timeoutMs while the stream gives no answer, a `resync` is called at least so often
 */
export function createChangeFeed<Change extends ChangeEvent>(
  source: ChangeSource<Change>,
  timeoutMs: number,
): ChangeFeed {
  const closing = new AbortController()
  let watchdog: NodeJS.Timeout | undefined
  let resumeToken: unknown
  let state: ChangeStreamState | undefined
  let failures = 0
  let running: Promise<void> | undefined
  let settle: () => void
  const settled = new Promise<void>(resolve => (settle = resolve))

  async function run(): Promise<void> {
    for (;;) {
      try {
        await follow()
      } catch (error) {
        // A stream that was closed fails, too.
        closing.signal.throwIfAborted()
        if (await isOver(toError(error))) return
      }
    }
  }

  async function follow(): Promise<never> {
    const collection = await source.collection()
    closing.signal.throwIfAborted()
    const stream = collection.watch<Document, Change & Document>([...source.pipeline], toOptions())
    const close = (): void => {
      stream.close().catch(() => undefined)
    }
    closing.signal.addEventListener('abort', close)
    try {
      const first = next(stream)
      // An empty first batch brings a token, and has the driver wait for the next batch at once.
      await Promise.race([first, new Promise(resolve => stream.once('resumeTokenChanged', resolve))])
      await opened()
      resumeToken ??= stream.resumeToken
      for (let change = await first; ; change = await next(stream)) {
        failures = 0
        if (resumeToken !== undefined) tell('resumed')
        if (change) take(change)
        resumeToken = stream.resumeToken
      }
    } finally {
      closing.signal.removeEventListener('abort', close)
      close()
    }
  }

  async function next(stream: ChangeStream<Document, Change & Document>): Promise<Change | null> {
    // A dead connection would else be waited for as long as the operating system does.
    const change = await withDeadline(ANSWER_LIMIT_MS, () => stream.tryNext())
    watchdog?.refresh()
    if (stream.closed) throw new StreamEndedError('The change stream was closed.')
    return change
  }

  function take(change: Change): void {
    if (change.operationType === 'invalidate')
      throw new StreamEndedError('The collection was dropped or renamed.')
    source.handle(change)
  }

  async function opened(): Promise<void> {
    if (resumeToken === undefined) {
      await source.resync()
      tell('open')
    }
    settle()
  }

  function tell(next: ChangeStreamState, error?: Error): void {
    if (next === state || (next === 'resumed' && state === 'open')) return
    state = next
    source.report(next, error)
  }

  /** Whether there is nothing to be tried any more; otherwise returns when it is time to try again. */
  async function isOver(error: Error): Promise<boolean> {
    const isRefused = !isResumable(error)
    // Refused without a token: a standalone server, one that only speaks the protocol, or a user who may not.
    const isUnavailable = isRefused && resumeToken === undefined && !(error instanceof StreamEndedError)
    if (isRefused) {
      resumeToken = undefined
      await resyncQuietly()
    }
    if (isUnavailable) clearInterval(watchdog)
    tell(isUnavailable ? 'unavailable' : 'broken', error)
    settle()
    if (!isUnavailable) await wait(retryMs(failures++), undefined, { ref: false, signal: closing.signal })
    return isUnavailable
  }

  async function resyncQuietly(): Promise<void> {
    try {
      await source.resync()
    } catch {
      // It is called again, once the stream is open and while it is not.
    }
  }

  function toOptions(): ChangeStreamOptions {
    return {
      ...PLAIN_BSON,
      readPreference: 'primary',
      fullDocument: 'updateLookup',
      maxAwaitTimeMS: Math.min(MAX_AWAIT_MS, Math.ceil(timeoutMs / 4)),
      ...(resumeToken !== undefined && { resumeAfter: resumeToken }),
    }
  }

  return {
    start() {
      if (running || closing.signal.aborted) return
      watchdog = setInterval(() => void resyncQuietly(), timeoutMs).unref()
      // It rejects when it is ended by close().
      running = run().catch(() => undefined)
    },
    settled: () => settled,
    isOpen: () => state === 'open' || state === 'resumed',
    close() {
      closing.abort()
      clearInterval(watchdog)
      settle()
    },
  }
}

/** Errors of the network have no code of the server's. */
function isResumable(error: Error): boolean {
  if (error instanceof StreamEndedError) return false
  if (codeOf(error) === undefined || hasCode(error, ...RESUMABLE)) return true
  return hasLabel(error, 'ResumableChangeStreamError')
}

function retryMs(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures)
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
