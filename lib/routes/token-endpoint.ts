import type { Request, RequestHandler, Response } from 'express'
import type { FailureReports } from '../authenticate/failure-reports.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { OperationName, Operations } from '../operations.js'
import { toErrorDescription } from '../util/error-description.js'
import { methodNotAllowed } from './methods.js'
import { createBodyReader } from './request-body.js'
import type { RequestBody } from './request-body.js'

/** The body of an answer: any value that JSON can express. */
export interface AnswerBody {
  readonly body: unknown
  /** The user who gets tokens. */
  readonly userId: string
}

/**
 * Handles the body of a request. The result is sent as JSON, or 204 for `undefined`.
 *
 * @param secrets gets values that were made meanwhile and must not be in a report of a failure
 */
export type EndpointHandler = (
  body: RequestBody,
  req: Request,
  res: Response,
  secrets: string[],
) => Promise<AnswerBody | undefined>

/** The headers of an answer with tokens (RFC 6749 5.1). */
export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }

interface EndpointOptions {
  /** Also the name of the handler in stack traces and profiles. */
  readonly name: OperationName
  /** Whether a request without a body is malformed. */
  readonly needsBody: boolean | ((req: Request) => boolean)
  readonly failures: FailureReports
  readonly operations: Operations
}

/**
 * Creates a `POST` endpoint like those of RFC 6749 section 5. It reads JSON or a form, answers JSON that no cache stores, and
 * answers every error itself.
 */
export function createTokenEndpoint(
  { name, needsBody, failures, operations }: EndpointOptions,
  handle: EndpointHandler,
): RequestHandler {
  const readBody = createBodyReader({ json: ['application/json'], form: true, refusesEmpty: false })
  const endpoint: RequestHandler = async (req, res) => {
    let body: RequestBody = {}
    const secrets: string[] = []
    const operation = operations.begin(name)
    try {
      res.set(NO_STORE)
      requirePost(req)
      if (typeof needsBody === 'function' ? needsBody(req) : needsBody) body = await readBody(req, res)
      const answer = await handle(body, req, res, secrets)
      if (answer === undefined) res.status(204).end()
      else res.status(200).json(answer.body)
      operation.succeeded(answer?.userId)
    } catch (thrown) {
      const error = res.headersSent ? answeredAlready(name, thrown) : toOurs(name, thrown)
      operation.failed(error)
      failures.report(req, error, [req.body, body, req.params, secrets])
      if (!res.headersSent) sendTokenError(res, error)
    }
  }
  return Object.defineProperty(endpoint, 'name', { value: name })
}

/** Express 4 does not catch the error of a second answer, so it would end the process. */
export function answeredAlready(name: string, cause?: unknown): CustomUserDataError {
  const message =
    `${name}(): the request was answered already. Only this route may answer it, and not a middleware before it or a ` +
    'callback of yours.'
  return new CustomUserDataError('callback_failed', message, { cause })
}

function toOurs(name: string, cause: unknown): CustomUserDataError {
  return (
    asCustomUserDataError(cause) ??
    new CustomUserDataError('callback_failed', `${name}(): an unexpected error.`, { cause })
  )
}

function requirePost(req: Request): void {
  if (req.method !== 'POST') throw methodNotAllowed('POST')
}

/** RFC 6749 5.2: the value of `error` for codes that have another name there. */
const OAUTH_NAMES: Partial<Record<CustomUserDataError['code'], string>> = {
  payload_too_large: 'invalid_request',
  method_not_allowed: 'invalid_request',
}

/** Answers with the error body of RFC 6749 section 5.2. */
function sendTokenError(res: Response, error: CustomUserDataError): void {
  res
    .status(error.status)
    .set(error.headers)
    .json({
      error: toName(error),
      error_description: toErrorDescription(error.status < 500 ? error.message : error.title),
    })
}

/** RFC 6749 5.2 has no names for failures of the server, so those of 4.1.2.1 are used. */
function toName({ code, status }: CustomUserDataError): string {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : (OAUTH_NAMES[code] ?? code)
}
