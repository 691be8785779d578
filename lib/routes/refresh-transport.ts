import type { CookieOptions, Request, Response } from 'express'
import { readCookies } from '../util/cookies.js'
import { CustomUserDataError } from '../errors.js'
import { parseRefreshToken } from '../sessions/refresh-token.js'
import type { TokenAnswer } from '../types.js'
import { requireText } from '../login/credentials.js'
import type { OriginCheck } from '../authenticate/request-origin.js'
import type { RequestBody } from './request-body.js'

/** Options of the cookie that holds the refresh token. The cookie is always `HttpOnly` and `Secure`. */
export interface RefreshCookieOptions {
  /**
   * The name of the cookie. It gets the prefix `__Host-`, or the prefix `__Secure-` if `path` or `domain` is given.
   *
   * @default 'refresh_token'
   */
  readonly name?: string | undefined
  /**
   * The attribute `SameSite`. With `none`, browsers also send the cookie with requests of other sites. List these sites in
   * the option `allowedOrigins` of the instance, and let their pages read the answers by CORS.
   *
   * @default 'strict'
   */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
  /**
   * The attribute `Path`. The routes `refresh()` and `logout()` must be below it.
   *
   * @default '/'
   */
  readonly path?: string | undefined
  /**
   * The attribute `Domain`.
   *
   * @default only the host that sets the cookie
   */
  readonly domain?: string | undefined
  /**
   * Cookies that earlier versions of your app set for refresh tokens. A login and a logout clear them. Otherwise a browser
   * would send them together with the new cookie, if they have the same name and another path or domain.
   * @default []
   * @example { path: '/auth', previousCookies: [{ name: '__Host-refresh_token' }] }
   */
  readonly previousCookies?: readonly PreviousCookie[] | undefined
}

/** A cookie that your app no longer sets. Browsers delete a cookie only by the same name, path and domain. */
export interface PreviousCookie {
  /** The whole name, with the prefix `__Host-` or `__Secure-` if it has one. */
  readonly name: string
  /**
   * The attribute `Path` that the cookie was set with.
   * @default '/'
   */
  readonly path?: string | undefined
  /**
   * The attribute `Domain` that the cookie was set with.
   * @default only the host that set the cookie
   */
  readonly domain?: string | undefined
}

/** How refresh tokens travel between a client and the routes. */
export interface RefreshTransport {
  /** Whether a request of the refresh and logout routes needs a body. */
  readonly needsBody: boolean
  /** Throws `foreign_origin` if a page of an unknown origin sent the request, and the browser handles the token by itself. */
  requireKnownOrigin: OriginCheck
  /** All refresh tokens of a request to refresh, one or more. Throws `invalid_request` if there is none. */
  read: (req: Request, body: RequestBody) => readonly string[]
  /** The refresh tokens whose sessions a login or a logout ends: 4 at most, without duplicates, valid or not. */
  readToEnd: (req: Request, body: RequestBody) => readonly string[]
  /** Gives the refresh token of an answer to the client, and returns the body. */
  hand: (res: Response, answer: TokenAnswer<object>) => object
  /** Clears the cookies in `previousCookies`. Call it before `hand`, because browsers keep the last cookie of an answer. */
  clearPrevious: (res: Response) => void
  /** Clears the refresh token of the client. */
  clear: (res: Response) => void
}

/** The most refresh tokens of one request that are looked up, because each costs a query. */
export const MAX_CANDIDATES = 4

const MAX_REFRESH_TOKEN_LENGTH = 1_024

/** Creates the transport that the option `refreshTokenTransport` names. */
export function createRefreshTransport(
  option: 'body' | 'cookie' | { readonly cookie: RefreshCookieOptions },
  ttlSeconds: number,
  requireKnownOrigin: OriginCheck,
): RefreshTransport {
  if (option === 'body') return bodyTransport
  return createCookieTransport(option === 'cookie' ? {} : option.cookie, ttlSeconds, requireKnownOrigin)
}

/** Refresh tokens are in the JSON of requests and answers: `{ "refresh_token": "…" }`. */
const bodyTransport: RefreshTransport = {
  needsBody: true,
  requireKnownOrigin: () => undefined,
  read: (_req, body) => [requireText(body, 'refresh_token', MAX_REFRESH_TOKEN_LENGTH)],
  readToEnd: (_req, body) =>
    Object.hasOwn(body, 'refresh_token')
      ? [requireText(body, 'refresh_token', MAX_REFRESH_TOKEN_LENGTH)]
      : [],
  hand: (_res, answer) => answer,
  clearPrevious: () => undefined,
  clear: () => undefined,
}

/** The whole name of the cookie. A browser takes a cookie with one of the prefixes only from a safe origin (RFC 6265bis 4.1.3). */
export function toRefreshCookieName({
  name = 'refresh_token',
  path = '/',
  domain,
}: RefreshCookieOptions): string {
  return path === '/' && domain === undefined ? `__Host-${name}` : `__Secure-${name}`
}

/**
 * Refresh tokens are in a cookie that no script can read (ASVS 3.3.1 to 3.3.4), and never in the JSON. A refresh that fails
 * does not clear the cookie, because a parallel refresh may just have set a new one.
 */
function createCookieTransport(
  options: RefreshCookieOptions,
  ttlSeconds: number,
  requireKnownOrigin: OriginCheck,
): RefreshTransport {
  const { sameSite = 'strict', path = '/', domain, previousCookies = [] } = options
  const name = toRefreshCookieName(options)
  const attributes: CookieOptions = {
    httpOnly: true,
    secure: true,
    sameSite,
    ...placeOf({ name, path, domain }),
  }

  function clearPrevious(res: Response): void {
    for (const previous of previousCookies) {
      res.clearCookie(previous.name, { httpOnly: true, secure: true, sameSite, ...placeOf(previous) })
    }
  }

  return {
    needsBody: false,
    requireKnownOrigin,
    read(req) {
      const tokens = readCookies(req.headers.cookie, name)
      const isPossible = ({ length }: string): boolean => length > 0 && length <= MAX_REFRESH_TOKEN_LENGTH
      if (!tokens.some(isPossible)) throw invalid(`There is no refresh token in the cookie "${name}".`)
      return tokens
    },
    readToEnd(req) {
      const tokens = new Set(readCookies(req.headers.cookie, name))
      // Values that cannot be a refresh token are dropped first, so that they do not count for the limit.
      return [...tokens].filter(token => parseRefreshToken(token) !== undefined).slice(0, MAX_CANDIDATES)
    },
    hand(res, { refresh_token: refreshToken, ...answer }) {
      res.cookie(name, refreshToken, { ...attributes, maxAge: ttlSeconds * 1000 })
      return answer
    },
    clearPrevious,
    clear(res) {
      clearPrevious(res)
      res.clearCookie(name, attributes)
    },
  }
}

/** The path and the domain of a cookie. Without a domain the member must be missing, or Express would set `Domain`. */
function placeOf({ path = '/', domain }: PreviousCookie): Pick<CookieOptions, 'path' | 'domain'> {
  return { path, ...(domain !== undefined && { domain }) }
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
