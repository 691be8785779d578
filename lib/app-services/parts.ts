import type { BSON } from 'mongodb'
import type { Request } from 'express'
import type { CustomUserData } from '../index.js'
import type { EventStreams } from './functions/event-streams.js'
import type { AppServicesConfig } from './parse-options.js'
import type { Triggers } from './triggers/triggers.js'
import type { UserStore } from './users/user-store.js'
import type { ExtendedJson } from './wire/extended-json.js'

/** What the rooms of this entry point share. */
export interface Parts {
  readonly config: AppServicesConfig
  readonly userData: CustomUserData<object>
  readonly users: UserStore
  readonly triggers: Triggers
  readonly streams: EventStreams
  readonly extendedJson: ExtendedJson
  /** The BSON library of the team's driver. */
  readonly bson: () => typeof BSON
  /** Wall-clock time in milliseconds since the epoch. */
  readonly now: () => number
  /** Reports an error that no client gets to see. */
  readonly report: (error: unknown, req?: Request) => void
}
