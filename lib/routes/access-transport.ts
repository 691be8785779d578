import type { AccessCookie } from '../authenticate/access-cookie.js'
import type { OriginCheck } from '../authenticate/request-origin.js'
import { setTokenCookie } from '../authenticate/token-cookie.js'
import type { TokenCookie, TokenCookieOptions } from '../util/cookies.js'
import type { AnswerTokens } from '../types.js'
import type { KeptCookieCheck } from './kept-cookie.js'
import { readHeld } from './refresh-transport.js'
import type { RefreshTransport } from './refresh-transport.js'

/** Options of the cookie that holds the access token. */
export interface AccessCookieOptions extends TokenCookieOptions {
  /**
   * The name of the cookie, at most 256 characters. A name that begins with `__Host-` or `__Secure-` is used as it is. Another
   * name gets the prefix `__Host-`, or the prefix `__Secure-` if `path` or `domain` is given. `__Host-` allows neither.
   *
   * @default 'access_token_' and 8 digits of a digest of the issuer, the first audience and `clientId`, because all ports of
   * a host share their cookies
   */
  readonly name?: string | undefined
  /**
   * The attribute `SameSite`. With `strict`, a user who follows a link of another site to a guarded page comes without the
   * cookie. With `none`, browsers also send the cookie with requests of other sites: list these sites in `allowedOrigins`.
   *
   * @default 'lax'
   */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
  /**
   * The attribute `Path`. The guarded routes must be below it, also in the case of its letters.
   *
   * @default '/'
   */
  readonly path?: string | undefined
}

/**
 * Puts access tokens into a cookie, and leaves them out of the JSON. A page of another origin must not set or clear the cookie,
 * so all routes refuse its requests, also if refresh tokens are in the JSON.
 */
export function withAccessCookie(
  transport: RefreshTransport,
  cookie: TokenCookie,
  parts: {
    readonly accessCookie: Pick<AccessCookie, 'clear' | 'read'>
    readonly requireKnownOrigin: OriginCheck
    readonly keptCookie: Pick<KeptCookieCheck, 'require'>
  },
): RefreshTransport {
  const { accessCookie, requireKnownOrigin, keptCookie } = parts
  return {
    ...transport,
    requireKnownOrigin,
    requireKept(req, isOfRoute) {
      transport.requireKept(req, isOfRoute)
      keptCookie.require(req, isOfRoute)
    },
    heldAccessTokens: req => readHeld(accessCookie, req),
    hand(res, issued) {
      const { access_token: token, expires_in: seconds } = issued.answer
      setTokenCookie(res, cookie, token, issued.lifetime.persistent ? seconds * 1000 : undefined)
      return withoutAccessToken(transport.hand(res, issued))
    },
    clear(res) {
      transport.clear(res)
      accessCookie.clear(res)
    },
  }
}

function withoutAccessToken({ expires_in, refresh_token, user }: AnswerTokens<object>): AnswerTokens<object> {
  return { expires_in, ...(refresh_token !== undefined && { refresh_token }), user }
}
