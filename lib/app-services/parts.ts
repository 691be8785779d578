import type { BSON } from 'mongodb'
import type { Request } from 'express'
import type { CustomUserData } from '../index.js'
import type { AfterAnswers } from './after-answers.js'
import type { ApiKeys } from './account/api-keys/create-api-keys.js'
import type { EventStreams } from './functions/event-streams.js'
import type { AppServicesConfig } from './parse-options.js'
import type { EmailAccounts } from './account/email-password/email-accounts.js'
import type { Triggers } from './triggers/triggers.js'
import type { UserCleaner } from './users/delete-user.js'
import type { UserStore } from './users/user-store.js'
import type { ExtendedJson } from './wire/extended-json.js'

/** What the rooms of this entry point share. */
export interface Parts {
  readonly config: AppServicesConfig
  readonly userData: CustomUserData<object>
  readonly users: UserStore
  readonly emailAccounts: EmailAccounts
  /** Absent if users cannot have API keys. */
  readonly apiKeys: ApiKeys | undefined
  /** What the deletion of a user removes besides the user. */
  readonly userCleaners: readonly UserCleaner[]
  readonly triggers: Triggers
  readonly afterAnswers: AfterAnswers
  readonly streams: EventStreams
  readonly extendedJson: ExtendedJson
  /** The BSON library of the team's driver. */
  readonly bson: () => typeof BSON
  /** Wall-clock time in milliseconds since the epoch. */
  readonly now: () => number
  /** Reports an error that no client gets to see. */
  readonly report: (error: unknown, req?: Request) => void
}
