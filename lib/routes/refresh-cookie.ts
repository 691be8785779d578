import type { Response } from 'express'
import type { AccessCookie } from '../authenticate/access-cookie.js'
import { adviseInsecure } from '../authenticate/local-request.js'
import type { OriginCheck } from '../authenticate/request-origin.js'
import { clearTokenCookie, readTokenCookie, setTokenCookie } from '../authenticate/token-cookie.js'
import { CustomUserDataError } from '../errors.js'
import { MAX_CANDIDATES } from '../login/refresh-flow.js'
import { MAX_REFRESH_TOKEN_LENGTH, parseRefreshToken } from '../sessions/refresh-token.js'
import { placeOf } from '../util/cookies.js'
import type { CookieIdentity, TokenCookie, TokenCookieOptions } from '../util/cookies.js'
import type { KeptCookieCheck } from './kept-cookie.js'
import { readHeld } from './refresh-transport.js'
import type { RefreshTransport } from './refresh-transport.js'

/** Options of the cookie that holds the refresh token. */
export interface RefreshCookieOptions extends TokenCookieOptions {
  /**
   * The name of the cookie, at most 256 characters. A name that begins with `__Host-` or `__Secure-` is used as it is. Another
   * name gets the prefix `__Host-`, or the prefix `__Secure-` if `path` or `domain` is given. `__Host-` allows neither.
   *
   * @default 'refresh_token_' and 8 digits of a digest of the issuer, the first audience and `clientId`, because all ports of
   * a host share their cookies
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
   * The attribute `Path`. The routes `login()`, `refresh()` and `logout()` must be below it, also in the case of its letters.
   *
   * @default '/'
   */
  readonly path?: string | undefined
  /**
   * Whether the cookie outlives the browser, until the session ends. With `false` it has no `Max-Age`, so the browser removes it
   * when it is closed. The option `persistent` of `login()` decides it for one login.
   *
   * @default true
   */
  readonly persistent?: boolean | undefined
  /**
   * Cookies that earlier versions of your app set for refresh tokens. A login and a logout clear them. Otherwise a browser
   * would send them together with the new cookie, if they have the same name and another path or domain.
   * @default []
   * @example [{ name: '__Host-refresh_token' }]
   */
  readonly previousCookies?: readonly CookieIdentity[] | undefined
}

/** The complete options of the cookie, with its whole name. */
export interface RefreshCookie extends TokenCookie {
  readonly persistent: boolean
  readonly previousCookies: readonly CookieIdentity[]
}

/**
 * Refresh tokens are in a cookie that no script can read (ASVS 3.3.1 to 3.3.4), and never in the JSON.
 */
export function createCookieTransport(
  cookie: RefreshCookie,
  requireKnownOrigin: OriginCheck,
  keptCookie: KeptCookieCheck,
  accessCookie: AccessCookie | undefined,
): RefreshTransport {
  const { sameSite, previousCookies } = cookie

  function clearReplaced(res: Response): void {
    accessCookie?.clear(res)
    for (const previous of previousCookies) {
      res.clearCookie(previous.name, { httpOnly: true, secure: true, sameSite, ...placeOf(previous) })
    }
  }

  return {
    needsBody: false,
    requireKnownOrigin,
    requireKept: keptCookie.require,
    read(req) {
      const tokens = readTokenCookie(req, cookie)
      if (tokens.length === 0)
        throw missing(keptCookie.reasonFor(req) ?? `Log in.${adviseInsecure(req, cookie)}`)
      if (tokens.some(({ length }) => length <= MAX_REFRESH_TOKEN_LENGTH)) return tokens
      throw new CustomUserDataError('invalid_request', 'The refresh token in the cookie is too long.')
    },
    readToEnd(req) {
      // Values that cannot be a refresh token are dropped first, so that they do not count for the limit.
      const tokens = new Set(
        readTokenCookie(req, cookie).filter(token => parseRefreshToken(token) !== undefined),
      )
      return [...tokens].slice(0, MAX_CANDIDATES)
    },
    heldAccessTokens: req => readHeld(accessCookie, req),
    hand(res, { answer, lifetime }) {
      const { refresh_token: refreshToken, ...others } = answer
      // Without Max-Age the browser keeps the cookie until it is closed.
      const { persistent, endsInMs: maxAge } = lifetime
      setTokenCookie(res, cookie, refreshToken, persistent ? maxAge : undefined)
      return others
    },
    clearReplaced,
    clear(res) {
      clearReplaced(res)
      clearTokenCookie(res, cookie)
    },
  }
}

function missing(reason: string): CustomUserDataError {
  return new CustomUserDataError(
    'missing_refresh_token',
    `There is no cookie with a refresh token. ${reason}`,
  )
}
