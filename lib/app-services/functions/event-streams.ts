import type { Caller } from '../router/callers.js'
import { requireCaller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { AppServicesError, toReportedError } from '../wire/errors.js'
import type { Parts } from '../parts.js'
import { EventStream } from './event-stream.js'

type StreamParts = Pick<Parts, 'config' | 'userData' | 'now' | 'report'>

/** Where the values of a stream come from. */
export interface StreamSource {
  /** Opens the source. Its errors are ordinary answers. */
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<unknown>>
  /** Converts a value to JSON. */
  readonly toJson: (value: unknown) => string
  /** Makes the error that the client gets, and reports an unexpected one. */
  readonly toError: (error: unknown) => AppServicesError
}

/** The open streams of the service. */
export class EventStreams {
  readonly #parts: StreamParts
  readonly #open = new Map<string, Set<EventStream>>()
  #isClosed = false

  constructor(parts: StreamParts) {
    this.#parts = parts
  }

  /**
   * Answers with a stream of events. It ends with the values, when the client goes, at `close()`, and within 25 seconds after
   * the access token has expired or was revoked: a revoked user must not read on.
   *
   * @throws AppServicesError `LimitExceeded` for a user with too many streams; the errors of `open()`
   */
  async answer(call: Call, caller: Caller, { open, toJson, toError }: StreamSource): Promise<undefined> {
    // A HEAD request reaches the routes of GET, and would hold a stream that nobody reads.
    if (call.req.method !== 'GET')
      throw new AppServicesError('BadRequest', 'a stream answers GET requests only')
    const checkToken = () => this.#checkToken(call)
    const stream = new EventStream(call.res, { toJson, toError, checkToken })
    const leave = this.#enter(caller.userId, stream)
    try {
      const values = await open(stream.signal)
      await stream.send(values)
    } catch (error) {
      stream.end(new Error('The stream did not open.'))
      throw error
    } finally {
      leave()
    }
    return undefined
  }

  /** Ends all streams, because an open stream keeps a server from closing. */
  close(): void {
    this.#isClosed = true
    for (const streams of this.#open.values()) for (const stream of streams) stream.end(closed())
  }

  async #checkToken(call: Call): Promise<AppServicesError | undefined> {
    const { userData, now, report } = this.#parts
    try {
      await requireCaller(call, userData, now)
      return undefined
    } catch (error) {
      return toReportedError(error, unexpected => {
        report(unexpected, call.req)
      })
    }
  }

  #enter(userId: string, stream: EventStream): () => void {
    if (this.#isClosed) throw closed()
    const streams = this.#open.get(userId) ?? new Set()
    const { maxStreamsPerUser: max } = this.#parts.config
    if (streams.size >= max)
      throw new AppServicesError('LimitExceeded', `there are already ${max} open streams of this user`)
    this.#open.set(userId, streams.add(stream))
    return () => {
      streams.delete(stream)
      if (streams.size === 0) this.#open.delete(userId)
    }
  }
}

function closed(): AppServicesError {
  return new AppServicesError('MaintenanceInProgress', 'the service is closing', {
    headers: { 'Retry-After': '1' },
  })
}
