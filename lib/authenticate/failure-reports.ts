import type { Request } from 'express'
import type { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { describeError } from '../util/describe-error.js'
import { createRedaction } from '../util/redaction.js'
import { toShownPath } from '../util/request-path.js'
import { secretsOf } from '../util/request-secrets.js'
import type { ParsedTokenPlaces } from './token-places.js'

/** Reports requests that are answered with 5xx. */
export type FailureReports = ReturnType<typeof createFailureReports>

/** Creates the reports. They must be made by whoever answers the request, so that each request is reported once. */
export function createFailureReports(events: Pick<Events, 'requestFailed'>, tokenPlaces: ParsedTokenPlaces) {
  const { cookie, query, form } = tokenPlaces
  const names = [cookie?.name, query, form].filter(name => name !== undefined)
  return {
    /**
     * Emits `request_failed` for an error with a status of 500 or more.
     *
     * @param credentials values of which all texts are removed from the description, such as the body of a login
     */
    report(req: Request, error: CustomUserDataError, credentials?: unknown): void {
      const { code, status } = error
      if (status < 500) return
      events.requestFailed(code, () => {
        const redact = createRedaction(secretsOf(req, names, credentials))
        const route = redact(`${req.method} ${toShownPath(req)}`)
        return { code, status, route, ...describeError(error, redact) }
      })
    },
  }
}
