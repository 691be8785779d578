import type { WarningEvent } from '../events.js'
import type { TeamDatabase } from '../mongo/team-database.js'
import type { Clock } from '../util/clock.js'
import { runChecks } from './check.js'
import { checkBsonOptions } from './bson-options.js'
import type { Check } from './check.js'
import type { CheckCode } from './check-codes.js'
import { checkClockSkew } from './clock-skew.js'
import { checkCollectionName } from './collection-name.js'
import { checkDuplicateDocuments } from './duplicate-documents.js'
import type { SetUpWarnings } from './set-up-warnings.js'
import { checkUserIdField } from './user-id-field.js'
import { checkMixedUserIds, checkUserIdType } from './user-id-type.js'
import { checkView } from './view.js'

/** Checks by the code of their warning. */
type Checks = Partial<Record<CheckCode, Check>>

/** Looks at the name of the collection, before an index creates a collection with that name. */
export const NAME_CHECKS: Checks = { collection_missing: checkCollectionName }
/** These look at one or two documents each, so a load may cause them too. */
export const QUICK_CHECKS: Checks = {
  bson_option_ignored: checkBsonOptions,
  collection_is_view: checkView,
  user_id_field_missing: checkUserIdField,
  user_id_type_unusable: checkUserIdType,
  user_id_types_mixed: checkMixedUserIds,
}
/** These concern the whole app, so only `ready()` runs them. */
export const READY_CHECKS: Checks = { clock_skew: checkClockSkew }
/** These read the whole collection, so only `ready()` runs them. */
export const LONG_CHECKS: Checks = { duplicate_documents: checkDuplicateDocuments }

interface SetUpChecksParts {
  readonly database: TeamDatabase
  /** The names of all collections of this package in the database of custom data. */
  readonly ownCollectionNames: readonly string[]
  readonly warnings: SetUpWarnings
  readonly clock: Clock
}

interface SetUpChecksConfig {
  readonly userIdField: string
  readonly toFieldValues?: unknown
  readonly clockToleranceMs: number
}

/** Runs the checks of the database. Checks that the team has turned off do not run. */
export class SetUpChecks {
  readonly #parts: SetUpChecksParts
  readonly #config: SetUpChecksConfig

  constructor(parts: SetUpChecksParts, config: SetUpChecksConfig) {
    this.#parts = parts
    this.#config = config
  }

  /** Runs checks, gives their warnings and returns them. */
  async run(checks: Checks, timeoutMs: number): Promise<readonly WarningEvent[]> {
    const { database, ownCollectionNames: ownCollections, clock, warnings } = this.#parts
    const chosen = Object.entries(checks).filter(([code]) => !warnings.isOff(code as CheckCode))
    if (chosen.length === 0) return []
    const { userIdField, toFieldValues, clockToleranceMs } = this.#config
    const hasToFieldValues = toFieldValues !== undefined
    const about = { userIdField, hasToFieldValues, ownCollections, clock, clockToleranceMs }
    const target = { ...(await database.open()), ...about }
    const found = await runChecks(
      chosen.map(([, check]) => check),
      target,
      timeoutMs,
    )
    for (const warning of found) warnings.once(warning)
    return found
  }
}
