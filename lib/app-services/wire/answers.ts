import type { Response } from 'express'
import { toErrorBody } from './errors.js'
import type { AppServicesError } from './errors.js'

/** An answer of a route. Without `json` the answer has no body and no content type, which clients read as `null`. */
export interface Answer {
  readonly status: number
  /** The body, already as text. */
  readonly json?: string
}

/** An answer with a plain JSON body. */
export function jsonAnswer(body: object, status = 200): Answer {
  return { status, json: JSON.stringify(body) }
}

/** An answer without a body. */
export function emptyAnswer(status = 204): Answer {
  return { status }
}

/**
 * Sends an answer. The native clients compare the content type exactly, so no charset is added: `res.json()`, `res.type()`
 * and `res.set()` of Express add one.
 */
export function sendAnswer(res: Response, { status, json }: Answer): void {
  res.statusCode = status
  // Answers hold tokens and data of one user.
  res.setHeader('Cache-Control', 'no-store')
  if (json === undefined) {
    // A middleware may set one for all answers, and the client would then parse the empty body.
    res.removeHeader('Content-Type')
    res.end()
    return
  }
  res.setHeader('Content-Type', 'application/json')
  res.setHeader('Content-Length', Buffer.byteLength(json))
  res.end(json)
}

/** Sends an error. */
export function sendError(res: Response, error: AppServicesError): void {
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value)
  sendAnswer(res, jsonAnswer(toErrorBody(error), error.status))
}
