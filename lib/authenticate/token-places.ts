import type { Request } from 'express'
import { callAtOnce } from '../util/call-at-once.js'
import type { CookieIdentity, TokenCookie } from '../util/cookies.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import { missingToken, readBearerToken } from './bearer-token.js'
import { isChosenByPage } from './chosen-by-page.js'
import { adviseInsecure } from './local-request.js'
import type { OriginCheck } from './request-origin.js'
import { onlyValue } from './request-headers.js'
import { readTokenCookie } from './token-cookie.js'
import type { ReadableCookie } from './token-cookie.js'

/** Other places than the Authorization header where a token may be. All are off by default. */
export interface TokenPlaces {
  /**
   * A cookie that your app sets, by its name, or also with the path and domain that you set it with. Leave it out with
   * `accessTokenTransport: 'cookie'`, where the routes set the cookie. Browsers send cookies with requests of other pages too,
   * see the option `allowedOrigins`. A login and a logout clear the cookie, and so does
   * `authenticate({ optional: true })` if its token is not valid.
   *
   * @example { name: '__Secure-access_token', path: '/api' }
   * @default no cookie is read
   */
  readonly cookie?: string | CookieIdentity | undefined
  /**
   * The name of a query parameter (RFC 6750 2.3). Addresses often end up in logs. The answers get `Cache-Control: no-store`.
   * For an `EventSource` and a WebSocket, which cannot set a header, it wins over the cookie.
   *
   * @default no query parameter is read
   */
  readonly query?: string | undefined
  /**
   * The name of a field of a form that a parser of your app has read (RFC 6750 2.2).
   *
   * @default no form is read
   */
  readonly form?: string | undefined
}

/**
 * Returns the token of a request, or `undefined` if the request presents none. A list of one token is taken too, because Node
 * types headers so, and two are refused. Must return it at once: a promise is refused. At `guard.run(req)` with a request of
 * Node it gets that request, which has no `get()`.
 */
export type TokenOfRequest = (req: Request) => string | readonly string[] | null | undefined

/** The complete option `tokenPlaces`. */
export interface ParsedTokenPlaces {
  /** The cookie of `accessTokenTransport`, or the cookie that the app sets. */
  readonly cookie?: ReadableCookie | undefined
  readonly query?: string | undefined
  readonly form?: string | undefined
  /** Takes the place of the Authorization header. */
  readonly tokenOf?: TokenOfRequest | undefined
}

/**
 * Reads the token of a request; `undefined` if the request presents none. Its form may be unchecked: call
 * `requireTokenForm` before you verify it.
 *
 * @throws `invalid_request` for two tokens or a malformed one, `missing_token` for an Authorization header of another
 * scheme, `foreign_origin` for a token that the browser adds by itself, if a page of another origin makes a change with it,
 * `callback_failed`
 */
export type TokenReader = (req: Request) => string | undefined

/** RFC 6750 section 2.1's b64token. */
const TOKEN = /^[\w.~+/-]+=*$/
const FORM = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i

/**
 * Creates the reader of the header, and of other places if there are any. Two tokens are refused (RFC 6750 section 2). But a
 * header wins over a cookie that this package has set, because the browser adds the cookie and the page does not choose it.
 */
export function createTokenReader(places: ParsedTokenPlaces, requireKnownOrigin: OriginCheck): TokenReader {
  const { cookie, query, form, tokenOf } = places
  if (Object.values(places).every(place => place === undefined)) return readBearerToken
  const readChosen = tokenOf ? createFunctionReader(tokenOf, requireKnownOrigin) : readHeader
  return req => {
    const ofQuery = query === undefined ? [] : readQuery(req, query)
    const ofForm = form === undefined ? [] : readForm(req, form)
    const leavesCookie = cookie === undefined || (ofQuery.length > 0 && cannotSetHeaders(req))
    const foundCookie = leavesCookie ? [] : readCookie(req, cookie)
    const hasToken = foundCookie.length + ofQuery.length + ofForm.length > 0
    const chosen = readChosen(req, hasToken)
    const ofCookie = chosen !== undefined && isSetByUs(cookie) ? [] : foundCookie
    const ofHeader = chosen === undefined ? [] : [chosen]
    const found = [...ofHeader, ...ofCookie, ...ofQuery, ...ofForm]
    if (found.length > 1) {
      throw twoTokens({
        'the Authorization header': ofHeader,
        'a cookie': ofCookie,
        'the query': ofQuery,
        'the form': ofForm,
      })
    }
    const [token] = found
    if (token !== undefined && (typeof token !== 'string' || !TOKEN.test(token)))
      throw invalid('The access token is malformed.')
    if (ofCookie.length > 0) requireKnownOrigin(req)
    return token
  }
}

/** Only a cookie of this package has attributes that are known. */
function isSetByUs(
  cookie: ReadableCookie | undefined,
): cookie is ReadableCookie & Pick<TokenCookie, 'secure'> {
  return cookie?.secure !== undefined
}

/** Creates the error for a request that presents no token. It says what the client should have sent. */
export type MissingToken = (req: Request) => CustomUserDataError

/** Creates the function that creates the error, by the places where this app expects a token. */
export function createMissingToken({ cookie, tokenOf }: ParsedTokenPlaces): MissingToken {
  const of = (message: string) => new CustomUserDataError('missing_token', message)
  if (isSetByUs(cookie))
    return req => of(`There is no cookie with an access token. Log in.${adviseInsecure(req, cookie)}`)
  return tokenOf ? () => of('The request presents no access token.') : missingToken
}

/** Creates the reader that takes the place of the header. An empty text counts as no token, as in a cookie. */
function createFunctionReader(tokenOf: TokenOfRequest, requireKnownOrigin: OriginCheck) {
  return (req: Request): string | undefined => {
    const token = onlyValue(callAtOnce('tokenPlaces', () => tokenOf(req)))
    if (token === undefined || token === null || token === '') return undefined
    if (Array.isArray(token) && token.length > 0) throw invalid('There are two access tokens: send one.')
    if (typeof token !== 'string') {
      const message = `tokenPlaces returned a value of the type ${typeof token}. Return the token as a text, or undefined.`
      throw new CustomUserDataError('callback_failed', message)
    }
    // Nobody knows where the function found the token. What a browser adds by itself, pages of other origins can send too.
    if (!isChosenByPage(req, token)) requireKnownOrigin(req)
    return token
  }
}

/** A page cannot choose the headers of an `EventSource` and of a WebSocket, and the browser adds its cookies. */
function cannotSetHeaders({ headers = {} }: Partial<Request>): boolean {
  return headers.upgrade !== undefined || String(headers.accept).startsWith('text/event-stream')
}

/** Names the places, because a page may not know that its browser sends a cookie. */
function twoTokens(places: Readonly<Record<string, readonly unknown[]>>): CustomUserDataError {
  const names = Object.keys(places).filter(name => places[name]?.length !== 0)
  return invalid(`There are two access tokens: send one. They are in ${names.join(' and ')}.`)
}

/** An Authorization header of another scheme is ignored if the request presents a token in another place. */
function readHeader(req: Request, hasToken: boolean): string | undefined {
  try {
    return readBearerToken(req)
  } catch (error) {
    if (hasToken && asCustomUserDataError(error)?.code === 'missing_token') return undefined
    throw error
  }
}

function readCookie(req: Request, cookie: ReadableCookie): string[] {
  const header = onlyValue((req as Partial<Request>).headers?.cookie)
  if (header === undefined) return []
  if (typeof header !== 'string') throw invalid('There are two Cookie headers: send one.')
  return readTokenCookie(req, cookie, header)
}

/** Reads the address itself, because `req.query` depends on the query parser of the app. */
function readQuery({ url = '', res }: Partial<Request>, name: string): string[] {
  const start = url.indexOf('?')
  const found = start < 0 ? [] : new URLSearchParams(url.slice(start + 1)).getAll(name)
  // RFC 6750 section 5.3: no cache may store the answer to an address with a token.
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
