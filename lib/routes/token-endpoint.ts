import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { createBodyReader, MAX_BODY_BYTES } from './request-body.js'
import type { RequestBody } from './request-body.js'

/** What an endpoint does with a body; `undefined` is answered with 204. */
export type EndpointHandler = (body: RequestBody, req: Request, res: Response) => Promise<object | undefined>

/** What an endpoint is. */
export interface EndpointOptions {
  /** Shows in stack traces and profiles. */
  readonly name: string
  /** Whether a request without a body is malformed. */
  readonly needsBody: boolean
}

/**
 * Creates a POST endpoint in the manner of RFC 6749 section 5: it reads JSON or a form (or takes what the app's own
 * parsers made of it, checked again), answers JSON that no cache keeps, and renders every error itself.
 */
export function createTokenEndpoint(options: EndpointOptions, handle: EndpointHandler): RequestHandler {
  const readBody = createBodyReader('JSON or a form', [
    express.json({ limit: MAX_BODY_BYTES }),
    express.urlencoded({ limit: MAX_BODY_BYTES, extended: false }),
  ])
  const endpoint: RequestHandler = async (req, res) => {
    res.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' })
    try {
      requirePost(req)
      const body = options.needsBody ? await readBody(req, res) : {}
      const answer = await handle(body, req, res)
      if (answer === undefined) res.status(204).end()
      else res.status(200).json(answer)
    } catch (error) {
      sendTokenError(res, error)
    }
  }
  return Object.defineProperty(endpoint, 'name', { value: options.name })
}

function requirePost(req: Request): void {
  if (req.method === 'POST') return
  const error = new CustomUserDataError('method_not_allowed', 'Use POST.')
  error.headers['Allow'] = 'POST'
  throw error
}

/** A text field of a body, or `invalid_request` where it is missing or something else. */
export function requireText(body: RequestBody, field: string, maxLength: number): string {
  const value = Object.hasOwn(body, field) ? body[field] : undefined
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  const message = `"${field}" must be a text of 1 to ${maxLength} characters.`
  throw new CustomUserDataError('invalid_request', message)
}

/** RFC 6749 5.2: `error` names for the codes that have another one there. */
const OAUTH_NAMES: Partial<Record<CustomUserDataError['code'], string>> = {
  payload_too_large: 'invalid_request',
  method_not_allowed: 'invalid_request',
}

/** Answers with RFC 6749 section 5.2's error body. What is not one of our errors is opaque. */
function sendTokenError(res: Response, thrown: unknown): void {
  const error = asCustomUserDataError(thrown) ?? internal(thrown)
  res
    .status(error.status)
    .set(error.headers)
    .json({
      error: toName(error),
      error_description: error.status < 500 ? error.message : error.title,
    })
}

/** RFC 6749 4.1.2.1 has these names for a server's own trouble; 5.2 has none. */
function toName({ code, status }: CustomUserDataError): string {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : (OAUTH_NAMES[code] ?? code)
}

function internal(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('callback_failed', 'An unexpected error.', { cause })
}
