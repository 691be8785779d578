import { Readable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import express from 'express'
import type { Request, RequestHandler, Response } from 'express'
import { CustomUserDataError } from '../errors.js'
import { exceededLimit, MAX_INPUT_BYTES, MAX_INPUT_DEPTH, MAX_INPUT_MEMBERS } from '../util/nesting.js'
import { isObject } from '../util/plain-object.js'

/** The body of a request, parsed by this package or by the app. */
export type RequestBody = Readonly<Record<string, unknown>>

/** The bodies that a route takes. */
export interface BodyFormats {
  /** The media types that are read as JSON. */
  readonly json: readonly string[]
  /** Whether forms are taken too. */
  readonly form: boolean
  /** Whether an empty body is refused. Otherwise it is read as `{}`, as the parsers of Express do. */
  readonly refusesEmpty: boolean
}

const FORM = 'application/x-www-form-urlencoded'

/**
 * Creates the reader of a route's bodies. It parses the body itself, unless a parser of the app has done so. An adapter for
 * serverless platforms, `express.text()` or `express.raw()` can leave a text or bytes, which are parsed like a stream.
 */
export function createBodyReader(
  formats: BodyFormats,
): (req: Request, res: Response) => Promise<RequestBody> {
  const types = [...formats.json, ...(formats.form ? [FORM] : [])]
  const parsers = createParsers(formats)
  const wanted = wantedOf(formats)

  async function parse(req: Request, res: Response): Promise<unknown> {
    for (const parser of parsers) {
      if (isUnread(req)) await run(parser, req, res, formats)
    }
    return isUnread(req) ? undefined : req.body
  }

  async function read(req: Request, res: Response): Promise<unknown> {
    const given: unknown = req.body
    if (isContent(given)) return parse(toReplay(req, given), res)
    if (isUnread(req)) {
      if (!wasConsumed(req)) return parse(req, res)
      // A body of another type is refused whoever has read it.
      if (req.is(types) !== false) throw consumed()
      return undefined
    }
    // A parser of the app may have a higher limit.
    if (isObject(given)) requireSmall(req, given, wanted)
    return given
  }

  return async (req, res) => {
    const body = await read(req, res)
    if (!isObject(body) || Array.isArray(body) || isContent(body)) {
      throw invalid(formats.form ? 'Send a JSON object or a form.' : 'Send a JSON object.')
    }
    requireSimple(body)
    return body as RequestBody
  }
}

function createParsers({ json, form, refusesEmpty }: BodyFormats): RequestHandler[] {
  const limit = MAX_INPUT_BYTES
  const verify = refusesEmpty ? { verify: requireContent } : {}
  return [
    express.json({ limit, type: [...json], ...verify }),
    ...(form
      ? [
          express.urlencoded({
            limit,
            parameterLimit: MAX_INPUT_MEMBERS,
            type: FORM,
            extended: false,
            ...verify,
          }),
        ]
      : []),
  ]
}

function requireContent(_req: unknown, _res: unknown, content: Buffer): void {
  if (content.length === 0) throw invalid('The body is empty.')
}

/** The parsers of Express 4 set `{}` if they read nothing. */
function isUnread({ body, readableEnded }: Request): boolean {
  return body === undefined || (!readableEnded && isObject(body) && Object.keys(body).length === 0)
}

/** Whether the body is gone although nothing has set `req.body`. A body that was put back into the stream still has length. */
function wasConsumed({ readableDidRead, readableLength }: Request): boolean {
  return readableDidRead && readableLength === 0
}

function isContent(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || isUint8Array(value)
}

/** A request with the same body as a stream, so that the parsers of Express apply their limits and character sets. */
function toReplay(req: Request, content: string | Uint8Array): Request {
  const bytes = Buffer.from(content)
  const type = req.headers['content-type']
  const headers = {
    'content-length': String(bytes.length),
    // A text is decoded already, whatever character set the header names.
    ...(type !== undefined && {
      'content-type': typeof content === 'string' ? type.replace(/;.*/s, '') : type,
    }),
    ...(isCompressed(req, content) && { 'content-encoding': req.headers['content-encoding'] }),
  }
  return Object.assign(Readable.from([bytes]), { headers }) as unknown as Request
}

/** `express.raw()` has decompressed the bytes. An adapter that leaves the stream alone hands on the bytes that were sent. */
function isCompressed(req: Request, content: string | Uint8Array): boolean {
  return typeof content !== 'string' && !req.readableEnded && req.headers['content-encoding'] !== undefined
}

function requireSmall(req: Request, body: object, wanted: string): void {
  const isInflated = req.headers['content-encoding'] !== undefined
  const declared = isInflated ? NaN : Number(req.headers['content-length'])
  if (declared > MAX_INPUT_BYTES) throw tooLarge()
  requireSimple(body)
  if (Number.isNaN(declared) && sizeOf(body, wanted) > MAX_INPUT_BYTES) throw tooLarge()
}

/** A schema of the team, or the driver, could handle a deep body by a recursive function. */
function requireSimple(body: object): void {
  const exceeded = exceededLimit(body, { depth: MAX_INPUT_DEPTH, members: MAX_INPUT_MEMBERS })
  if (exceeded === 'depth') throw invalid(`The body is nested more than ${MAX_INPUT_DEPTH} levels deep.`)
  if (exceeded === 'members') throw tooManyMembers()
  if (exceeded === 'binary') throw invalid('The body has binary data.')
}

/** A value that has no JSON, such as a bigint, cannot come from a body in this format. */
function sizeOf(body: object, wanted: string): number {
  try {
    return Buffer.byteLength(JSON.stringify(body))
  } catch {
    throw unreadable(wanted)
  }
}

function run(parse: RequestHandler, req: Request, res: Response, formats: BodyFormats): Promise<void> {
  return new Promise((resolve, reject) => {
    void parse(req, res, (error?: unknown) => {
      if (error === undefined || error === null) resolve()
      else reject(toBodyError(error, formats))
    })
  })
}

/** The error of the parser is not even the cause, because errors of body-parser and of JSON.parse quote the body. */
function toBodyError(
  { status, type }: { readonly status?: unknown; readonly type?: unknown },
  formats: BodyFormats,
): CustomUserDataError {
  if (type === 'parameters.too.many') return tooManyMembers()
  if (status === 413) return tooLarge()
  // Token endpoints answer every malformed request with 400 (RFC 6749 5.2), whatever its media type is.
  if (status !== 415 || formats.form) return unreadable(wantedOf(formats))
  if (type !== 'encoding.unsupported')
    return unsupportedMediaType(formats.json, 'The charset is not supported: send UTF-8.')
  const error = unsupportedMediaType(
    formats.json,
    'The Content-Encoding is not supported: send gzip or none.',
  )
  // RFC 9110 12.5.3. The parsers of all supported versions of Express read these two.
  error.headers['Accept-Encoding'] = 'gzip, deflate'
  return error
}

function wantedOf({ form }: BodyFormats): string {
  return form ? 'JSON or a form' : 'JSON'
}

/** RFC 9110 15.5.16 and RFC 5789 2.2: the answer names the media types that are taken. */
export function unsupportedMediaType(types: readonly string[], message: string): CustomUserDataError {
  const error = new CustomUserDataError('unsupported_media_type', message)
  error.headers['Accept'] = error.headers['Accept-Patch'] = types.join(', ')
  return error
}

function consumed(): CustomUserDataError {
  return new CustomUserDataError(
    'body_consumed',
    'The body of the request was read before this route, and req.body is not set. Mount the route in front of the middleware ' +
      'that reads the body, or let that middleware set req.body to the parsed body, to its text or to its bytes.',
  )
}

function tooLarge(message = 'The body is over 100 kB.'): CustomUserDataError {
  return new CustomUserDataError('payload_too_large', message)
}

function tooManyMembers(): CustomUserDataError {
  return tooLarge(`The body has more than ${MAX_INPUT_MEMBERS} fields and elements.`)
}

function unreadable(wanted: string): CustomUserDataError {
  return invalid(`The body cannot be read: send ${wanted}.`)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
