import { asCustomUserDataError } from '../errors.js'
import type { CustomUserDataError, ErrorCode } from '../errors.js'

/** The body of an error answer (RFC 9457), with the code that clients can rely on. */
export interface ProblemDetails {
  /** Names the kind of problem. It is not an address that can be opened. */
  readonly type: string
  /** The same text for all errors of one code. */
  readonly title: string
  /** The HTTP status. */
  readonly status: number
  /** What went wrong, stable across versions. */
  readonly code: ErrorCode
  /** What to do. Absent for a status of 500 or more, because that message is for the log. */
  readonly detail?: string
}

/** A complete HTTP answer to an error. */
export interface ErrorResponse {
  readonly status: number
  /** `Content-Type` and `Cache-Control`, and the headers of the error: `WWW-Authenticate`, `Retry-After`, `Allow`. */
  readonly headers: Record<string, string>
  readonly body: ProblemDetails
}

const TYPE_PREFIX = 'urn:express-custom-user-data:error:'

/**
 * Turns an error of this package into the answer that `errorHandler()` sends (RFC 9457), for frameworks that send answers by
 * themselves. `undefined` for any other value. It reports nothing: give errors with a status of 500 or more to
 * `reportFailure()`.
 *
 * @example
 * const answer = errorResponse(error)
 * if (answer) res.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body))
 */
export function errorResponse(error: unknown): ErrorResponse | undefined {
  const ours = asCustomUserDataError(error)
  return ours && toErrorResponse(ours)
}

/** Turns an error into its answer. */
export function toErrorResponse(error: CustomUserDataError): ErrorResponse {
  return {
    status: error.status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...error.headers,
    },
    body: toProblem(error),
  }
}

/** The details that a client may know. The message of a 5xx is not among them. */
function toProblem({ code, status, title, message }: CustomUserDataError): ProblemDetails {
  return { type: TYPE_PREFIX + code, title, status, code, ...(status < 500 && { detail: message }) }
}
