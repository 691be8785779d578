import type { ErrorRequestHandler, Request } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { parseErrorHandlerOptions } from '../options/guards.js'
import { describeForLog } from '../util/redaction.js'
import type { FailureReports } from './failure-reports.js'

/** Options of `errorHandler()`. */
export interface ErrorHandlerOptions {
  /**
   * Gets each error with a status of 500 or more that this handler answers, and its request. The handler then does not emit
   * `request_failed`. The error is the original: its causes can hold anything that your callbacks or the driver put into them.
   * The answer does not wait for this function. If it throws or rejects, `request_failed` is emitted after all.
   *
   * @default undefined: the event `request_failed`
   * @example userData.errorHandler({ onError: (error, req) => req.log.error(error) })
   */
  readonly onError?: (error: CustomUserDataError, req: Request) => unknown
}

/** The body of an error answer (RFC 9457), with the code that clients can rely on. */
interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail?: string
}

/** The type names the kind of problem. It is not an address that can be opened. */
const TYPE_PREFIX = 'urn:express-custom-user-data:error:'

/** Creates the handler that answers this package's errors as `application/problem+json`. It passes other errors on. */
export function createErrorHandler(
  failures: FailureReports,
  given?: ErrorHandlerOptions,
): ErrorRequestHandler {
  const { onError } = parseErrorHandlerOptions(given)

  /** Never rejects. */
  async function report(error: CustomUserDataError, req: Request): Promise<void> {
    try {
      if (onError && error.status >= 500) await onError(error, req)
      else failures.report(req, error)
    } catch (thrown) {
      failures.report(req, withFailureOfOnError(error, thrown))
    }
  }

  return function handleCustomUserDataError(error, req, res, next) {
    const ours = asCustomUserDataError(error)
    if (!ours || res.headersSent) {
      next(error)
      return
    }
    void report(ours, req)
    res
      .status(ours.status)
      .set({ 'Cache-Control': 'no-store', ...ours.headers })
      .type('application/problem+json')
      // send() would add an ETag, and after a 412 a client would try again with the tag of the error.
      .end(JSON.stringify(toProblem(ours)))
  }
}

/** One error for one event: it tells both failures, and has the cause of the request's error. */
function withFailureOfOnError(
  { code, message, cause }: CustomUserDataError,
  thrown: unknown,
): CustomUserDataError {
  const both = `${message} It was not reported, because onError of errorHandler() failed: ${describeForLog(thrown)}`
  return new CustomUserDataError(code, both, { cause })
}

/** The details that a client may know. The message of a 5xx is not among them. */
function toProblem({ code, status, title, message }: CustomUserDataError): ProblemDetails {
  return { type: TYPE_PREFIX + code, title, status, code, ...(status < 500 && { detail: message }) }
}
