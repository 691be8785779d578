import type { CookieOptions, Request, Response } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { TokenAnswer } from '../types.js'
import { requireText } from './token-endpoint.js'
import type { RequestBody } from './request-body.js'

/** How the cookie of a refresh token is set. It is always `HttpOnly` and `Secure`. */
export interface RefreshCookieOptions {
  /** Default `refresh_token`, with the prefix `__Host-` where `path` is `/` and `domain` is not given. */
  readonly name?: string | undefined
  /** Default `strict`. With `none` other sites' pages can refresh: allow their origins by CORS one by one. */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
  /** Default `/`. */
  readonly path?: string | undefined
  /** Default: the host alone. */
  readonly domain?: string | undefined
}

/** How refresh tokens travel between a client and the routes. */
export interface RefreshTransport {
  /** Whether a request of the refresh and logout routes needs a body. */
  readonly needsBody: boolean
  /** Throws `invalid_request` where another site's page sent the request, and that could do harm. */
  requireSameSite: (req: Request) => void
  /** The refresh token of a request. Throws `invalid_request`. */
  read: (req: Request, body: RequestBody) => string
  /** All that a request holds, good or not: what is to end when a client logs out or logs in anew. */
  readAll: (req: Request, body: RequestBody) => readonly string[]
  /** Gives the refresh token of an answer to the client; what is left is the body. */
  hand: (res: Response, answer: TokenAnswer<object>) => object
  /** Takes it away from the client, at logout. */
  clear: (res: Response) => void
}

const MAX_REFRESH_TOKEN_LENGTH = 1_024

/** In the JSON of both sides: `{ "refresh_token": "…" }`. */
export const bodyTransport: RefreshTransport = {
  needsBody: true,
  requireSameSite: () => undefined,
  read: (_req, body) => requireText(body, 'refresh_token', MAX_REFRESH_TOKEN_LENGTH),
  readAll: (_req, body) =>
    Object.hasOwn(body, 'refresh_token')
      ? [requireText(body, 'refresh_token', MAX_REFRESH_TOKEN_LENGTH)]
      : [],
  hand: (_res, answer) => answer,
  clear: () => undefined,
}

/**
 * In a cookie that no script can read (ASVS 3.3.1 to 3.3.4), never in the JSON as well. A refresh that fails leaves the
 * cookie alone: of two parallel ones the loser would take away what the winner was given.
 */
export function createCookieTransport(options: RefreshCookieOptions, ttlSeconds: number): RefreshTransport {
  const { sameSite = 'strict', path = '/', domain } = options
  const isHostOnly = path === '/' && domain === undefined
  const name = `${isHostOnly ? '__Host-' : ''}${options.name ?? 'refresh_token'}`
  const attributes: CookieOptions = {
    httpOnly: true,
    secure: true,
    sameSite,
    path,
    ...(domain !== undefined && { domain }),
  }
  return {
    needsBody: false,
    requireSameSite(req) {
      if (sameSite !== 'none') requireSameSite(req)
    },
    read(req) {
      const [token, second] = readCookies(req, name)
      if (second !== undefined) throw invalid('There are two refresh tokens.')
      if (token === undefined) throw invalid('There is no refresh token in the cookie.')
      return token
    },
    readAll: req => readCookies(req, name),
    hand(res, { refresh_token: refreshToken, ...answer }) {
      res.cookie(name, refreshToken, { ...attributes, maxAge: ttlSeconds * 1000 })
      return answer
    },
    clear(res) {
      res.clearCookie(name, attributes)
    },
  }
}

/** Browsers say where a request comes from (Fetch Metadata). `SameSite` keeps the cookie back; this says why. */
function requireSameSite(req: Request): void {
  if (req.headers['sec-fetch-site'] === 'cross-site') throw invalid('Requests from other sites are refused.')
}

/** Two of one name are possible: of other paths or domains. */
function readCookies(req: Request, name: string): string[] {
  const pairs = (req.headers.cookie ?? '').split(';').map(pair => pair.trim())
  return pairs
    .filter(pair => pair.startsWith(`${name}=`))
    .map(pair => pair.slice(name.length + 1))
    .filter(value => value !== '' && value.length <= MAX_REFRESH_TOKEN_LENGTH)
}

function invalid(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
