import type { ErrorRequestHandler } from 'express'
import { asCustomUserDataError } from '../errors.js'
import type { CustomUserDataError } from '../errors.js'

/** The body of an error (RFC 9457), with the code that clients can rely on. */
interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail?: string
}

/** Names the kind of problem; not an address that can be opened. */
const TYPE_PREFIX = 'urn:express-custom-user-data:error:'

/** Renders this package's errors as `application/problem+json`. Errors of others go on to the next handler. */
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
      // Not by send(), which would give it an ETag: after a 412 a client would try again with that.
      .end(JSON.stringify(toProblem(ours)))
  }
}

/** What a client may know: of our own trouble (5xx) only that there is some. */
function toProblem({ code, status, title, message }: CustomUserDataError): ProblemDetails {
  return { type: TYPE_PREFIX + code, title, status, code, ...(status < 500 && { detail: message }) }
}
