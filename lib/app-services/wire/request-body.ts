import type { IncomingMessage } from 'node:http'
import { isUint8Array } from 'node:util/types'
import type { Request } from 'express'
import { AppServicesError } from './errors.js'
import { requireFitting } from './extended-json.js'

/**
 * Reads the JSON body of a request: a new object, or `{}` for a request without a body. Another body parser may have read it
 * before, and may have left the parsed value, its text or its bytes.
 *
 * @throws AppServicesError `BadRequest`, `ReadSizeLimitExceeded`
 */
export async function readBody(req: Request, maxBytes: number): Promise<Readonly<Record<string, unknown>>> {
  const body = await readValue(req, maxBytes)
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new AppServicesError('BadRequest', 'the body of the request must be a JSON object')
  requireFitting(body)
  return body as Readonly<Record<string, unknown>>
}

async function readValue(req: Request, maxBytes: number): Promise<unknown> {
  const given: unknown = req.body
  if (typeof given === 'string') return parse(given, maxBytes)
  if (isUint8Array(given)) return parse(toText(given), maxBytes)
  if (typeof given === 'object' && given !== null && !isPlaceholder(req, given)) return given
  if (!hasBody(req)) return {}
  if (req.readableDidRead) throw consumed()
  const encoding = req.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    throw new AppServicesError('BadRequest', 'the body of the request must not be compressed', {
      status: 415,
    })
  return parse(await readText(req, maxBytes), maxBytes)
}

/** The parsers of Express 4 set `{}` also if they leave a body of another type alone. */
function isPlaceholder(req: Request, body: object): boolean {
  return !req.readableDidRead && hasBody(req) && Object.keys(body).length === 0
}

/** Whether the request has a body (RFC 9112 section 6.3). */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function parse(text: string, maxBytes: number): unknown {
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(maxBytes)
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    // The error of JSON.parse quotes the body, which may hold a password.
    throw new AppServicesError('BadRequest', 'the body of the request is not valid JSON')
  }
}

/** How many bytes of a body that is too large are read. Clients that are still sending do not read the answer. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024

async function readText(req: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of req) {
      const bytes = chunk as Buffer
      length += bytes.length
      if (length > MAX_DISCARDED_BYTES) break
      if (length <= maxBytes) chunks.push(bytes)
    }
  } catch {
    throw new AppServicesError('BadRequest', 'the body of the request ended too early')
  }
  if (length > maxBytes) throw tooLarge(maxBytes)
  return toText(Buffer.concat(chunks))
}

/** Bytes that are not UTF-8 would all become the same character, and with it different passwords one password. */
function toText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new AppServicesError('BadRequest', 'the body of the request is not valid UTF-8')
  }
}

/** A mistake in the app, so it is reported, and the client only learns that something is wrong. */
function consumed(): Error {
  return new Error(
    'The body of the request was read before the router of createAppServices(), and req.body is not set. Mount the router ' +
      'before the middleware that reads the body, or let that middleware set req.body.',
  )
}

function tooLarge(maxBytes: number): AppServicesError {
  return new AppServicesError(
    'ReadSizeLimitExceeded',
    `the body of the request has more than ${maxBytes} bytes`,
    {
      headers: { Connection: 'close' },
    },
  )
}
