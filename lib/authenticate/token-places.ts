import type { Request } from 'express'
import { readCookies } from '../util/cookies.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { readBearerToken } from './bearer-token.js'
import { onlyValue } from './request-headers.js'

/** Where else than in the Authorization header a token may be, each by name. All are off unless asked for. */
export interface TokenPlaces {
  /** The name of a cookie. Cookies are sent by other sites' pages too: see to `SameSite` and CSRF yourself. */
  readonly cookie?: string | undefined
  /** The name of a query parameter (RFC 6750 2.3). Addresses end up in logs; answers get `no-store`. */
  readonly query?: string | undefined
  /** The name of a field of a form that the app has parsed (RFC 6750 2.2). */
  readonly form?: string | undefined
}

/**
 * Reads the token of a request; `undefined` if the request presents none. Its form may be unchecked: call
 * `requireTokenForm` before you verify it.
 *
 * @throws `invalid_request` for two tokens or a malformed one, `missing_token` for an Authorization header of another
 * scheme
 */
export type TokenReader = (req: Request) => string | undefined

/** RFC 6750 section 2.1's b64token. */
const TOKEN = /^[\w.~+/-]+=*$/
const FORM = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i

/** Creates the reader: of the header alone, or of other places too, never of two at once (RFC 6750 section 2). */
export function createTokenReader(places: TokenPlaces = {}): TokenReader {
  const { cookie, query, form } = places
  if (cookie === undefined && query === undefined && form === undefined) return readBearerToken
  return req => {
    const elsewhere = [
      ...(cookie === undefined ? [] : readCookie(req, cookie)),
      ...(query === undefined ? [] : readQuery(req, query)),
      ...(form === undefined ? [] : readForm(req, form)),
    ]
    const found = [readHeader(req, elsewhere.length > 0), ...elsewhere].filter(token => token !== undefined)
    if (found.length > 1) throw invalid('There are two access tokens: send one.')
    const [token] = found
    if (token !== undefined && (typeof token !== 'string' || !TOKEN.test(token)))
      throw invalid('The access token is malformed.')
    return token
  }
}

/** Credentials of another scheme are none of ours where a token is presented elsewhere. */
function readHeader(req: Request, hasToken: boolean): string | undefined {
  try {
    return readBearerToken(req)
  } catch (error) {
    if (hasToken && asCustomUserDataError(error)?.code === 'missing_token') return undefined
    throw error
  }
}

function readCookie(req: Partial<Request>, name: string): string[] {
  const header = onlyValue(req.headers?.cookie)
  if (header !== undefined && typeof header !== 'string')
    throw invalid('There are two Cookie headers: send one.')
  // An empty cookie is one that was cleared badly.
  return readCookies(header, name).filter(value => value !== '')
}

/** Of the address itself: what `req.query` holds depends on the app's query parser. */
function readQuery({ url = '', res }: Partial<Request>, name: string): string[] {
  const start = url.indexOf('?')
  const found = start < 0 ? [] : new URLSearchParams(url.slice(start + 1)).getAll(name)
  // RFC 6750 section 5.3: the answer to such an address is for nobody's cache.
  if (found.length > 0) res?.setHeader('Cache-Control', 'no-store')
  return found
}

/** Looks at the header itself. `req.is()` also needs a length, which adapters and requests made by hand may lack. */
function readForm(req: Partial<Request>, name: string): unknown[] {
  const { method, headers } = req
  const body: unknown = req.body
  const type = onlyValue(headers?.['content-type'])
  const isForm = method === 'POST' && typeof type === 'string' && FORM.test(type)
  if (!isForm || typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return []
  return [(body as Record<string, unknown>)[name]]
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
