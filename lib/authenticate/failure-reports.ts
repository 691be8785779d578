import { asCustomUserDataError } from '../errors.js'
import type { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { Metrics } from '../metrics.js'
import type { RequestFailedMessage } from '../operations.js'
import { describeError } from '../util/describe-error.js'
import { createRedaction } from '../util/redaction.js'
import type { Redact } from '../util/redaction.js'
import { toShownPath } from '../util/request-path.js'
import { secretsOf } from '../util/request-secrets.js'
import type { SecretHolder } from '../util/request-secrets.js'
import { readMember } from '../util/thrown.js'
import type { ParsedTokenPlaces } from './token-places.js'

/** A request that has failed. */
export interface FailedRequest extends SecretHolder {
  readonly method: string
}

/** The code of an error of another kind, which the app reports by `reportFailure()`. */
const UNEXPECTED_ERROR = 'unexpected_error'

/** A failure, and the value that was thrown. */
interface Failure {
  readonly code: string
  readonly status: number
  readonly thrown: unknown
}

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
  const thrownByFunctions = new ThrownByFunctions()
  /** The error that the app has reported for a request. The app may pass it on to `errorHandler()`. */
  const reportedByApp = new WeakMap<object, unknown>()

  /** Texts without the tokens of the request and without its credentials. */
  function redactionOf(req: FailedRequest | undefined, credentials: unknown): Redact {
    return createRedaction(req ? secretsOf(req, names, credentials) : [])
  }

  function countFailure({ code, status, thrown }: Failure, req?: FailedRequest, credentials?: unknown): void {
    if (thrownByFunctions.take(thrown)) return
    metrics.requestFailed(code, () => {
      return { code, status, route: routeOf(req, redactionOf(req, credentials)) }
    })
  }

  function tellFailure({ code, status, thrown }: Failure, req?: FailedRequest, credentials?: unknown): void {
    events.requestFailed(code, () => {
      const redact = redactionOf(req, credentials)
      const { name, message, stack } = describeError(thrown, redact)
      // A thrown text is its own name.
      return { code, status, route: routeOf(req, redact), name, message: message || name, stack }
    })
  }

  function isReported(req: FailedRequest, error: CustomUserDataError): boolean {
    return error.status < 500 || reportedByApp.get(req) === error
  }

  /** Counts an error with a status of 500 or more. For errors that the app logs by itself. */
  function count(req: FailedRequest, error: CustomUserDataError, credentials?: unknown): void {
    if (!isReported(req, error)) countFailure(toFailure(error), req, credentials)
  }

  /** Emits `request_failed` for an error with a status of 500 or more. */
  function tell(req: FailedRequest, error: CustomUserDataError, credentials?: unknown): void {
    if (!isReported(req, error)) tellFailure(toFailure(error), req, credentials)
  }

  return {
    count,
    tell,
    /**
     * Counts an error with a status of 500 or more, and emits `request_failed`.
     *
     * @param credentials values of which all texts are removed from the description, such as the body of a login
     */
    report(req: FailedRequest, error: CustomUserDataError, credentials?: unknown): void {
      count(req, error, credentials)
      tell(req, error, credentials)
    },
    /**
     * Counts and reports any thrown value that the app answers with 5xx by itself. An error of this package with a lower status
     * is no failure of the server.
     *
     * @param key the object that stands for the request everywhere; `req` may be another view of it
     */
    reportThrown(thrown: unknown, req?: FailedRequest, key: object | undefined = req): void {
      const failure = toFailure(thrown)
      if (failure.status < 500) return
      if (key) {
        if (reportedByApp.has(key) && reportedByApp.get(key) === thrown) return
        reportedByApp.set(key, thrown)
      }
      countFailure(failure, req)
      tellFailure(failure, req)
    },
    /** Counts an error that a function throws to the app. The app may pass it to `errorHandler()`, which reports it. */
    countThrown(callee: string, error: CustomUserDataError): void {
      const { code, status } = error
      if (status < 500) return
      thrownByFunctions.add(error)
      metrics.requestFailed(code, () => ({ code, status, route: callee }) satisfies RequestFailedMessage)
    },
  }
}

/** How often each error was thrown to the app by a function, and has not come to a route or to a report since. */
class ThrownByFunctions {
  readonly #times = new WeakMap<object, number>()

  add(error: CustomUserDataError): void {
    this.#times.set(error, (this.#times.get(error) ?? 0) + 1)
  }

  /** Whether a function has counted this error already. Each count is taken once. */
  take(thrown: unknown): boolean {
    const error = asCustomUserDataError(thrown)
    const times = error ? (this.#times.get(error) ?? 0) : 0
    if (error && times > 0) this.#times.set(error, times - 1)
    return times > 0
  }
}

function toFailure(thrown: unknown): Failure {
  const ours = asCustomUserDataError(thrown)
  if (ours) return { code: ours.code, status: ours.status, thrown }
  return { code: UNEXPECTED_ERROR, status: statusOf(thrown), thrown }
}

/** Errors of other packages name the status of the answer as Express reads it. A lower status may be that of another server. */
function statusOf(thrown: unknown): number {
  const statuses = [readMember(thrown, 'status'), readMember(thrown, 'statusCode')]
  return statuses.find((status): status is number => Number.isInteger(status) && isServerError(status)) ?? 500
}

function isServerError(status: unknown): boolean {
  return Number(status) >= 500 && Number(status) <= 599
}

function routeOf(req: FailedRequest | undefined, redact: Redact): string {
  return req ? redact(`${req.method} ${toShownPath(req)}`) : 'reportFailure()'
}
