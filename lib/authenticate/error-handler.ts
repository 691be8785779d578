import type { ErrorRequestHandler } from 'express'
import { asCustomUserDataError } from '../errors.js'
import type { CustomUserDataError } from '../errors.js'

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
export function createErrorHandler(): ErrorRequestHandler {
  return function handleCustomUserDataError(error, _req, res, next) {
    const ours = asCustomUserDataError(error)
    if (!ours || res.headersSent) {
      next(error)
      return
    }
    res
      .status(ours.status)
      .set({ 'Cache-Control': 'no-store', ...ours.headers })
      .type('application/problem+json')
      // send() would add an ETag, and after a 412 a client would try again with the tag of the error.
      .end(JSON.stringify(toProblem(ours)))
  }
}

/** The details that a client may know. The message of a 5xx is not among them. */
function toProblem({ code, status, title, message }: CustomUserDataError): ProblemDetails {
  return { type: TYPE_PREFIX + code, title, status, code, ...(status < 500 && { detail: message }) }
}
