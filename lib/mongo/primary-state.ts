import { isDate } from 'node:util/types'
import type { ObjectId, Timestamp } from 'mongodb'

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

/** The whole seconds of a cluster time; `undefined` if there is none. */
export function toSeconds(clusterTime: unknown): number | undefined {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- `t` came with a later BSON than that of driver 5.9
  return (clusterTime as Timestamp | undefined)?.getHighBitsUnsigned()
}
