import type { ErrorRequestHandler, Request } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { parseErrorHandlerOptions } from '../options/guards.js'
import { describeForLog } from '../util/redaction.js'
import { toErrorResponse } from './error-response.js'
import type { FailureReports } from './failure-reports.js'
import { toNextError } from '../util/thrown.js'

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
  readonly onError?: ((error: CustomUserDataError, req: Request) => unknown) | undefined
}

/** Creates the handler that answers this package's errors as `application/problem+json`. It passes other errors on. */
export function createErrorHandler(
  failures: FailureReports,
  given?: ErrorHandlerOptions,
): ErrorRequestHandler {
  const { onError } = parseErrorHandlerOptions(given)

  /** Never rejects. */
  async function report(error: CustomUserDataError, req: Request): Promise<void> {
    failures.count(req, error)
    try {
      if (onError && error.status >= 500) await onError(error, req)
      else failures.tell(req, error)
    } catch (thrown) {
      failures.tell(req, withFailureOfOnError(error, thrown))
    }
  }

  return function handleCustomUserDataError(error, req, res, next) {
    const ours = asCustomUserDataError(error)
    if (!ours || res.headersSent) {
      next(toNextError(error))
      return
    }
    void report(ours, req)
    const { status, headers, body } = toErrorResponse(ours)
    // send() would add an ETag, and after a 412 a client would try again with the tag of the error.
    res.status(status).set(headers).end(JSON.stringify(body))
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
