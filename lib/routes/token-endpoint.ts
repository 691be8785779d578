import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { sendTokenError } from './token-error.js'

/** The parsed body of a request: JSON or a form, whoever parsed it. */
export type RequestBody = Readonly<Record<string, unknown>>

/** What an endpoint does with a body; `undefined` is answered with 204. */
export type EndpointHandler = (body: RequestBody, req: Request, res: Response) => Promise<object | undefined>

/** What an endpoint is. */
export interface EndpointOptions {
  /** Shows in stack traces and profiles. */
  readonly name: string
  /** Whether a request without a body is malformed. */
  readonly needsBody: boolean
}

const MAX_BODY_BYTES = 100 * 1024

/**
 * Creates a POST endpoint in the manner of RFC 6749 section 5: it reads JSON or a form (or takes what the app's own
 * parsers made of it, checked again), answers JSON that no cache keeps, and renders every error itself.
 */
export function createTokenEndpoint(options: EndpointOptions, handle: EndpointHandler): RequestHandler {
  const parsers = [
    express.json({ limit: MAX_BODY_BYTES }),
    express.urlencoded({ limit: MAX_BODY_BYTES, extended: false }),
  ]
  const endpoint: RequestHandler = async (req, res) => {
    res.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' })
    try {
      requirePost(req)
      const body = options.needsBody ? await readBody(req, res, parsers) : {}
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

async function readBody(
  req: Request,
  res: Response,
  parsers: readonly RequestHandler[],
): Promise<RequestBody> {
  for (const parse of parsers) {
    if (isUnread(req)) await run(parse, req, res)
  }
  const body: unknown = req.body
  if (isUnread(req) || !isObject(body) || Array.isArray(body) || Buffer.isBuffer(body)) {
    throw invalid('Send a JSON object or a form.')
  }
  requireSmall(req, body)
  return body as RequestBody
}

/** The parsers of Express 4 leave `{}` behind where they read nothing. */
function isUnread({ body, readableEnded }: Request): boolean {
  return body === undefined || (!readableEnded && isObject(body) && Object.keys(body).length === 0)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** An app's own parser may have let more through than ours does. */
function requireSmall(req: Request, body: object): void {
  const isCompressed = req.headers['content-encoding'] !== undefined
  const declared = isCompressed ? NaN : Number(req.headers['content-length'])
  const bytes = Number.isNaN(declared) ? Buffer.byteLength(JSON.stringify(body)) : declared
  if (bytes > MAX_BODY_BYTES) throw tooLarge()
}

function run(parse: RequestHandler, req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    void parse(req, res, (error?: unknown) => {
      if (error === undefined || error === null) resolve()
      else reject(toBodyError(error))
    })
  })
}

/** body-parser's errors quote the body; ours must not. */
function toBodyError(cause: unknown): CustomUserDataError {
  const status = (cause as { status?: unknown }).status
  return status === 413 ? tooLarge(cause) : invalid('The body cannot be read: send JSON or a form.', cause)
}

function tooLarge(cause?: unknown): CustomUserDataError {
  return new CustomUserDataError('payload_too_large', 'The body is over 100 kB.', { cause })
}

function invalid(message: string, cause?: unknown): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message, { cause })
}

/** A text field of a body, or `invalid_request` where it is missing or something else. */
export function requireText(body: RequestBody, field: string, maxLength: number): string {
  const value = Object.hasOwn(body, field) ? body[field] : undefined
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  throw invalid(`"${field}" must be a text of 1 to ${maxLength} characters.`)
}

/** Errors of the team's callbacks become ours, so that their messages are not sent. */
export function toCallbackError(name: string, cause: unknown): CustomUserDataError {
  return (
    asCustomUserDataError(cause) ?? new CustomUserDataError('callback_failed', `${name} failed.`, { cause })
  )
}
