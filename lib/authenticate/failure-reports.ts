import type { Request } from 'express'
import type { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { Metrics } from '../metrics.js'
import type { RequestFailedMessage } from '../operations.js'
import { describeError } from '../util/describe-error.js'
import { createRedaction } from '../util/redaction.js'
import type { Redact } from '../util/redaction.js'
import { toShownPath } from '../util/request-path.js'
import { secretsOf } from '../util/request-secrets.js'
import type { ParsedTokenPlaces } from './token-places.js'

/** Counts and reports requests that are answered with 5xx. */
export type FailureReports = ReturnType<typeof createFailureReports>

/** Creates the reports. They must be made by whoever answers the request, so that each request is reported once. */
export function createFailureReports(
  events: Pick<Events, 'requestFailed'>,
  metrics: Pick<Metrics, 'requestFailed'>,
  tokenPlaces: ParsedTokenPlaces,
) {
  const { cookie, query, form } = tokenPlaces
  const names = [cookie?.name, query, form].filter(name => name !== undefined)
  /** How often each error was thrown to the app by a function, and has not come to a route or to `errorHandler()` since. */
  const thrown = new WeakMap<CustomUserDataError, number>()

  /** Whether a function has counted this error already. */
  function wasThrown(error: CustomUserDataError): boolean {
    const times = thrown.get(error) ?? 0
    if (times > 0) thrown.set(error, times - 1)
    return times > 0
  }

  /** Texts without the tokens of the request and without its credentials. */
  function redactionOf(req: Request, credentials: unknown): Redact {
    return createRedaction(secretsOf(req, names, credentials))
  }

  function toFailure(
    req: Request,
    { code, status }: CustomUserDataError,
    redact: Redact,
  ): RequestFailedMessage {
    return { code, status, route: redact(`${req.method} ${toShownPath(req)}`) }
  }

  /** Counts an error with a status of 500 or more. For errors that the app logs by itself. */
  function count(req: Request, error: CustomUserDataError, credentials?: unknown): void {
    if (error.status < 500 || wasThrown(error)) return
    metrics.requestFailed(error.code, () => toFailure(req, error, redactionOf(req, credentials)))
  }

  /** Emits `request_failed` for an error with a status of 500 or more. */
  function tell(req: Request, error: CustomUserDataError, credentials?: unknown): void {
    if (error.status < 500) return
    events.requestFailed(error.code, () => {
      const redact = redactionOf(req, credentials)
      return { ...toFailure(req, error, redact), ...describeError(error, redact) }
    })
  }

  return {
    count,
    tell,
    /**
     * Counts an error with a status of 500 or more, and emits `request_failed`.
     *
     * @param credentials values of which all texts are removed from the description, such as the body of a login
     */
    report(req: Request, error: CustomUserDataError, credentials?: unknown): void {
      count(req, error, credentials)
      tell(req, error, credentials)
    },
    /** Counts an error that a function throws to the app. The app may pass it to `errorHandler()`, which reports it. */
    countThrown(callee: string, error: CustomUserDataError): void {
      const { code, status } = error
      if (status < 500) return
      thrown.set(error, (thrown.get(error) ?? 0) + 1)
      metrics.requestFailed(code, () => ({ code, status, route: callee }))
    },
  }
}
