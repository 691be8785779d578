import type { ChangeStream, Document } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { Moment } from '../util/clock.js'

/** How soon a stream has to answer: far longer than the server waits for a change. */
export const ANSWER_LIMIT_MS = 15_000
/** Most events in one answer of the server. An answer with fewer events contains all events that the server has. */
export const BATCH_SIZE = 1_000

/** The stream has ended for good: later changes can only be followed by a new stream. */
export class StreamEndedError extends Error {
  override readonly name = 'StreamEndedError'
}

/** One event of a stream, or `null` if there is none. */
export interface StreamAnswer<Change> {
  readonly change: Change | null
  /** The stream contained no other changes from before this moment than those of earlier answers. */
  readonly currentAsOf: Moment | undefined
}

/** Reads one open stream, and knows how current its answers are. */
export class StreamReader<Change extends Document> {
  readonly #stream: ChangeStream<Document, Change>
  readonly #now: () => Moment
  /** The events that one answer of the server brought. */
  #batch: { readonly askedAt: Moment; events: number } | undefined

  constructor(stream: ChangeStream<Document, Change>, now: () => Moment) {
    this.#stream = stream
    this.#now = now
  }

  /** Waits for an event. Gives `null` after about a second without one. */
  async next(): Promise<StreamAnswer<Change>> {
    const { change, askedAt, isNewBatch } = await this.#ask()
    const before = this.#batch
    const isAfterLastEvent = before !== undefined && isNewBatch && before.events < BATCH_SIZE
    const batch = before && !isNewBatch ? before : { askedAt, events: 0 }
    this.#batch = batch
    if (!change) return { change, currentAsOf: askedAt }
    batch.events++
    return { change, currentAsOf: isAfterLastEvent ? before.askedAt : undefined }
  }

  async #ask() {
    const askedAt = this.#now()
    let isNewBatch = false
    // tryNext() gives an event that the driver already holds before this callback runs, and a server's answer after it.
    const asking = setImmediate(() => (isNewBatch = true))
    try {
      // Without a limit a dead connection would block the stream until the operating system gives up.
      const change = await withDeadline(ANSWER_LIMIT_MS, () => this.#stream.tryNext())
      if (this.#stream.closed) throw new StreamEndedError('The change stream was closed.')
      return { change, askedAt, isNewBatch }
    } finally {
      clearImmediate(asking)
    }
  }
}
