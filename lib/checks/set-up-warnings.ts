import { asCustomUserDataError } from '../errors.js'
import type { CustomUserDataError } from '../errors.js'
import type { Events, WarningEvent } from '../events.js'
import { describeForLog } from '../util/redaction.js'
import type { WarningCode } from '../warnings.js'

/** The warnings about the set-up of one instance. Each code comes once, however often its check is repeated. */
export class SetUpWarnings {
  readonly #events: Pick<Events, 'warn'>
  readonly #off: ReadonlySet<WarningCode>
  readonly #warned = new Set<WarningCode>()

  /** @param off the codes of the checks that the team has turned off */
  constructor(events: Pick<Events, 'warn'>, off: ReadonlySet<WarningCode> = new Set()) {
    this.#events = events
    this.#off = off
  }

  /** Whether the team has turned the check with this code off. */
  isOff(code: WarningCode): boolean {
    return this.#off.has(code)
  }

  /** Whether a finding of a check would be told. A check whose finding nobody gets need not run. */
  isWanted(code: WarningCode): boolean {
    return !this.#off.has(code) && !this.#warned.has(code)
  }

  /** Gives a warning, unless one of its code was given before, or its check is off. */
  once(warning: WarningEvent): void {
    if (!this.isWanted(warning.code)) return
    this.#warned.add(warning.code)
    this.#events.warn(warning)
  }

  /** Gives a warning of a check that has several findings, unless the check is off. */
  each(warning: WarningEvent): void {
    if (!this.#off.has(warning.code)) this.#events.warn(warning)
  }

  /** Checks only warn, so a check that MongoDB will refuse again is a warning as well. An outage is thrown. */
  ofRefusal(error: unknown): void {
    const ours = asCustomUserDataError(error)
    if (!ours || ours.status === 503) throw error
    this.#ofFailure(ours)
  }

  /** An attempt to set the collections up has failed. Each load reports a MongoDB that is away, so that is no warning. */
  ofFailedAttempt(error: unknown): void {
    const ours = asCustomUserDataError(error)
    if (ours?.code === 'user_id_index_conflict') this.once({ code: ours.code, message: ours.message })
    else if (ours && ours.status !== 503) this.#ofFailure(ours)
  }

  #ofFailure({ message, cause }: CustomUserDataError): void {
    this.once({ code: 'set_up_failed', message: `${message} Cause: ${describeForLog(cause)}` })
  }
}
