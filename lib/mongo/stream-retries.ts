import { codeOf, hasCode, hasLabel } from './server-errors.js'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000
/** A missing right may be granted at any time, and somebody waits for it. */
const MAX_RETRY_AFTER_REFUSAL_MS = 60_000
/** A standalone server has no change streams. It is asked again rarely, because it may become a replica set. */
const RETRY_OF_STANDALONE_MS = 10 * 60_000
/** The server's error for `$changeStream` on a standalone server. */
const STANDALONE = 40_573
/** A stream that was open for this long is opened again at once when it breaks. */
const STABLE_AFTER_MS = 10_000
/** A stream that was opened this often at one position, and always failed without an answer, is stuck at an event. */
const MAX_FRUITLESS = 3

/**
 * After these errors a resume token is still good, and a stream can be opened. This is the list of the change stream
 * specification, with the codes of a cursor that was ended from outside (237, 11601) and of a server that starts or is busy
 * (24, 50, 94, 134, 202, 211, 246).
 */
const RESUMABLE = [
  6, 7, 24, 43, 50, 63, 89, 91, 94, 133, 134, 150, 189, 202, 211, 234, 237, 246, 262, 9001, 10107, 11600,
  11601, 11602, 13388, 13435, 13436,
]

/**
 * Whether the stream can go on with the last resume token. Network errors have no code of the server. Other errors without
 * a code, such as a failure to decode an event, occur again at the same position.
 */
export function isResumable(error: Error): boolean {
  if (hasCode(error, ...RESUMABLE) || hasLabel(error, 'ResumableChangeStreamError')) return true
  return codeOf(error) === undefined && (error.name === 'DeadlineError' || error.name.startsWith('Mongo'))
}

/** Counts the failures of a stream, and decides how long to wait before it is opened again. */
export class StreamRetries {
  #failures = 0
  /** How many opened streams have failed since the last answer. */
  #fruitless = 0

  answered(): void {
    this.#fruitless = 0
  }

  /** Counts a failure, and tells whether the stream can be opened but always fails at the same position. */
  isStuck(wasOpen: boolean): boolean {
    if (wasOpen) this.#fruitless++
    if (this.#fruitless < MAX_FRUITLESS) return false
    this.#fruitless = 0
    return true
  }

  /** Milliseconds to wait. They grow for a stream that opens and fails at once, as for a stream that does not open. */
  nextWaitMs(openForMs: number): number {
    if (openForMs >= STABLE_AFTER_MS) this.#failures = 0
    return this.#next(MAX_RETRY_MS)
  }

  /** Milliseconds to wait after the server has refused to open a stream at all. */
  nextWaitAfterRefusalMs(error: Error): number {
    return hasCode(error, STANDALONE) ? RETRY_OF_STANDALONE_MS : this.#next(MAX_RETRY_AFTER_REFUSAL_MS)
  }

  #next(longestMs: number): number {
    return Math.min(longestMs, FIRST_RETRY_MS * 2 ** this.#failures++)
  }
}
