import { isDate } from 'node:util/types'
import type { ObjectId, Timestamp } from 'mongodb'
import { elapsedMs, momentOf } from '../util/clock.js'
import type { Clock, Moment } from '../util/clock.js'
import { withDeadline } from '../util/deadline.js'
import { ANSWER_LIMIT_MS } from './stream-answers.js'

/** How often the primary is asked for its election and its time, at most. */
const ASK_EVERY_MS = 1_000

/** What the primary tells of itself in `hello`. */
export interface PrimaryState {
  /** Changes with each election of a primary. `undefined` behind the router of a sharded cluster. */
  readonly election: string | undefined
  /** The primary's clock in whole seconds, as in cluster times. */
  readonly seconds: number | undefined
}

/** Asks the primary. Rejects if there is none. */
export type AskPrimary = (signal: AbortSignal) => Promise<PrimaryState>

/** Takes the parts of an answer to `hello`. */
export function toPrimaryState({ electionId, localTime }: Record<string, unknown>): PrimaryState {
  return {
    election: (electionId as ObjectId | undefined)?.toHexString(),
    // Not `operationTime`: while nothing is written, that stays the time of the last change.
    seconds: isDate(localTime) ? Math.floor(localTime.getTime() / 1_000) : undefined,
  }
}

/** Rejection of an event, because reading everything again is done sooner than handling all events that are waiting. */
class StreamBehindError extends Error {
  override readonly name = 'StreamBehindError'
}

/** Compares a change stream with the primary: how far it is behind, and whether another primary was elected. */
export class PrimaryWatch {
  readonly #ask: AskPrimary
  readonly #clock: Clock
  #askedAt: Moment | undefined
  #seconds: number | undefined
  #election: string | undefined

  constructor(ask: AskPrimary, clock: Clock) {
    this.#ask = ask
    this.#clock = clock
  }

  /** Asks the primary like `ask()`, unless it was asked within the last second. */
  async askIfDue(resync: () => Promise<void>): Promise<void> {
    const isDue = !this.#askedAt || elapsedMs(this.#clock, this.#askedAt) >= ASK_EVERY_MS
    if (isDue) await this.ask(resync)
  }

  /**
   * Asks the primary for its time. If another primary was elected, writes that the one before had not replicated are rolled
   * back. They may be in snapshots, and no event tells of them, so `resync` is called.
   */
  async ask(resync: () => Promise<void>): Promise<void> {
    const askedAt = momentOf(this.#clock)
    const { election, seconds } = await withDeadline(ANSWER_LIMIT_MS, this.#ask)
    const isNew = this.#election !== undefined && election !== this.#election
    this.#askedAt = askedAt
    this.#seconds = seconds
    if (isNew) await resync()
    // Only now, so that a resync that has failed is tried again.
    this.#election = election
  }

  /** Throws if an event of this cluster time is further behind the primary than the limit. */
  requireNotBehind(clusterTime: unknown, limitMs: number): void {
    const seconds = toSeconds(clusterTime)
    if (seconds === undefined || this.#seconds === undefined) return
    const behindMs = (this.#seconds - seconds) * 1_000
    if (behindMs <= limitMs) return
    throw new StreamBehindError(`The change stream is ${behindMs} ms behind, and ${limitMs} ms are allowed.`)
  }
}

/** The whole seconds of a cluster time; `undefined` if there is none. */
function toSeconds(clusterTime: unknown): number | undefined {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- `t` came with a later BSON than that of driver 5.9
  return (clusterTime as Timestamp | undefined)?.getHighBitsUnsigned()
}
