import type { Request, RequestHandler, Response } from 'express'
import { CustomUserDataError } from '../errors.js'

/** The body of a request, parsed by this package or by the app. */
export type RequestBody = Readonly<Record<string, unknown>>

/** The formats that a route takes, for messages. */
export type BodyFormat = 'JSON' | 'JSON or a form'

/** The largest body that any of our routes takes. */
export const MAX_BODY_BYTES = 100 * 1024

/** Creates the reader of a route's bodies. It uses these parsers, unless a parser of the app has read the body already. */
export function createBodyReader(
  format: BodyFormat,
  parsers: readonly RequestHandler[],
): (req: Request, res: Response) => Promise<RequestBody> {
  return async (req, res) => {
    for (const parse of parsers) {
      if (isUnread(req)) await run(parse, req, res, format)
    }
    const body: unknown = req.body
    if (isUnread(req) || !isObject(body) || Array.isArray(body) || Buffer.isBuffer(body)) {
      throw invalid(format === 'JSON' ? 'Send a JSON object.' : 'Send a JSON object or a form.')
    }
    requireSmall(req, body, format)
    return body as RequestBody
  }
}

/** The parsers of Express 4 set `{}` if they read nothing. */
function isUnread({ body, readableEnded }: Request): boolean {
  return body === undefined || (!readableEnded && isObject(body) && Object.keys(body).length === 0)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** A parser of the app may have a higher limit. */
function requireSmall(req: Request, body: object, format: string): void {
  const isCompressed = req.headers['content-encoding'] !== undefined
  const declared = isCompressed ? NaN : Number(req.headers['content-length'])
  const bytes = Number.isNaN(declared) ? sizeOf(body, format) : declared
  if (bytes > MAX_BODY_BYTES) throw tooLarge()
}

/** A value that has no JSON, because of a cycle, a bigint or its depth, cannot come from a body in this format. */
function sizeOf(body: object, format: string): number {
  try {
    return Buffer.byteLength(JSON.stringify(body))
  } catch {
    throw invalid(`The body cannot be read: send ${format}.`)
  }
}

function run(parse: RequestHandler, req: Request, res: Response, format: string): Promise<void> {
  return new Promise((resolve, reject) => {
    void parse(req, res, (error?: unknown) => {
      if (error === undefined || error === null) resolve()
      else reject(toBodyError(error, format))
    })
  })
}

/** The error of the parser is not even the cause, because errors of body-parser and of JSON.parse quote the body. */
function toBodyError({ status }: { readonly status?: unknown }, format: string): CustomUserDataError {
  return status === 413 ? tooLarge() : invalid(`The body cannot be read: send ${format}.`)
}

function tooLarge(): CustomUserDataError {
  return new CustomUserDataError('payload_too_large', 'The body is over 100 kB.')
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
