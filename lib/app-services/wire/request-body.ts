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
  if (isUint8Array(given)) return parse(Buffer.from(given).toString('utf8'), maxBytes)
  if (typeof given === 'object' && given !== null) return given
  if (req.readableEnded) return {}
  const encoding = req.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    throw new AppServicesError('BadRequest', 'the body of the request must not be compressed', {
      status: 415,
    })
  return parse(await readText(req, maxBytes), maxBytes)
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

async function readText(req: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of req) {
    const bytes = Buffer.from(chunk as Uint8Array)
    length += bytes.length
    if (length > maxBytes) throw tooLarge(maxBytes)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
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
