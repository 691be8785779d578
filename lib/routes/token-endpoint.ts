import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { CustomUserDataError } from '../errors.js'
import { createBodyReader, MAX_BODY_BYTES } from './request-body.js'
import type { RequestBody } from './request-body.js'
import { sendTokenError } from './token-error.js'

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
