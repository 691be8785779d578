import { once } from 'node:events'
import type { Response } from 'express'
import { AppServicesError } from '../wire/errors.js'
import { HEARTBEAT, toErrorEvent, toValueEvent } from './event-text.js'
import { untilAborted } from './until-aborted.js'

/** Proxies close a connection that is silent for a minute, and some after 30 seconds. */
const HEARTBEAT_MS = 25_000

interface EventStreamParts {
  /** Converts a value to JSON. */
  readonly toJson: (value: unknown) => string
  /** Makes the error that the client gets. */
  readonly toError: (error: unknown) => AppServicesError
  /** Verifies the access token again. Resolves to an error if it is not valid any more. */
  readonly checkToken: () => Promise<AppServicesError | undefined>
}

/** One answer of server-sent events. */
export class EventStream {
  readonly #res: Response
  readonly #parts: EventStreamParts
  readonly #controller = new AbortController()

  constructor(res: Response, parts: EventStreamParts) {
    this.#res = res
    this.#parts = parts
    const leave = () => {
      this.end(new Error('The client is gone.'))
    }
    if (res.closed) leave()
    else res.once('close', leave)
  }

  /** Aborts when nobody reads the stream any more. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Ends the stream. The client gets an `AppServicesError` as the last event. */
  end(reason: Error): void {
    this.#controller.abort(reason)
  }

  /** Sends all values, and resolves at the end of the stream. It never rejects. */
  async send(values: AsyncIterable<unknown>): Promise<void> {
    this.#sendHead()
    const heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS)
    try {
      await this.#sendValues(values[Symbol.asyncIterator]())
    } catch (error) {
      this.end(this.#parts.toError(error))
    } finally {
      clearInterval(heartbeat)
      this.#sendEnd()
    }
  }

  #sendHead(): void {
    const res = this.#res
    res.statusCode = 200
    res.setHeader('Content-Type', 'text/event-stream')
    // A proxy or a middleware that compresses would hold events back.
    res.setHeader('Cache-Control', 'no-store, no-transform')
    res.setHeader('X-Accel-Buffering', 'no')
    res.flushHeaders()
  }

  async #sendValues(iterator: AsyncIterator<unknown>): Promise<void> {
    const { signal } = this
    try {
      for (;;) {
        const next = await untilAborted(iterator.next(), signal)
        if (next === undefined || next.done === true || signal.aborted) return
        if (this.#res.write(toValueEvent(this.#parts.toJson(next.value)))) continue
        // A slow client gets no more values until it has read these. The wait rejects when the stream ends or the connection
        // fails, and the next turn of the loop sees that.
        await once(this.#res, 'drain', { signal }).catch(() => undefined)
      }
    } finally {
      // A generator that waits for something returns only after that, so nobody waits for it here.
      void close(iterator)
    }
  }

  async #beat(): Promise<void> {
    const error = await this.#parts.checkToken()
    if (error) this.end(error)
    else if (!this.#res.writableNeedDrain && !this.signal.aborted) this.#res.write(HEARTBEAT)
  }

  #sendEnd(): void {
    const res = this.#res
    const reason: unknown = this.signal.reason
    // A client that does not read would keep the connection open for ever.
    if (res.destroyed || res.writableNeedDrain) {
      res.destroy()
      return
    }
    if (reason instanceof AppServicesError) res.write(toErrorEvent(reason))
    res.end()
  }
}

/** Closes the source of the values. Its error concerns nobody, because the stream has ended. */
async function close(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // See above.
  }
}
