import { CustomUserDataError } from '../errors.js'
import { isSentTwice, onlyValue } from './request-headers.js'
import type { RequestHeaders } from './request-headers.js'

const SCHEME = /^bearer(?:$|[^!#$%&'*+.^_`|~\w-])/i
/** RFC 6750 2.1, RFC 9110 11.4: the scheme, one or more spaces, and a token68. */
const CREDENTIALS = /^bearer +([\w.~+/-]+=*)$/i
/** RFC 6750 section 2.1's b64token. */
const TOKEN = /^[\w.~+/-]+=*$/

const USUAL_START = 'Bearer '
const SPACE = 0x20

/**
 * Reads the token of `Authorization: Bearer …`; `undefined` if a request has no Authorization header.
 *
 * The form of the token is not checked here. The check takes 0.6 µs, and a cached token has passed it before. Call
 * {@link requireTokenForm} before you verify a token that is not in the cache.
 *
 * @throws `invalid_request` for two headers or a malformed one, `missing_token` for another scheme
 */
export function readBearerToken(request: RequestHeaders): string | undefined {
  const header = readAuthorization(request)
  if (header === undefined) return undefined
  if (header.startsWith(USUAL_START) && header.charCodeAt(USUAL_START.length) !== SPACE)
    return header.slice(USUAL_START.length)
  const token = CREDENTIALS.exec(header)?.[1]
  if (token !== undefined) return token
  if (SCHEME.test(header)) throw malformed()
  throw missingToken()
}

/** Refuses a text that does not have the form of an access token. Throws `invalid_request`, not `invalid_token`. */
export function requireTokenForm(token: string): void {
  if (!TOKEN.test(token)) throw malformed()
}

/**
 * Reads the Authorization header of a request; `undefined` if the client sent none, or if middleware has deleted it.
 *
 * @throws `invalid_request` if the client sent two, unless middleware has set another value since
 */
export function readAuthorization(request: RequestHeaders): string | undefined {
  const held = request.headers?.['authorization']
  if (held === undefined) return undefined
  const header = typeof held === 'string' ? held : onlyValue(held)
  if (typeof header !== 'string' || isSentTwice(request, 'authorization', header))
    throw invalid('There are two Authorization headers: send one.')
  return header
}

/** The error for a request that presents no token. */
export function missingToken(): CustomUserDataError {
  return new CustomUserDataError('missing_token', 'Send an access token: "Authorization: Bearer …".')
}

function malformed(): CustomUserDataError {
  return invalid('The Authorization header is malformed: write "Bearer" and the access token.')
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
