import type { Request, Response } from 'express'
import type { AccessCookie } from '../authenticate/access-cookie.js'
import type { OriginCheck } from '../authenticate/request-origin.js'
import { isNone, requireText } from '../login/credentials.js'
import { MAX_CANDIDATES } from '../login/refresh-flow.js'
import { MAX_REFRESH_TOKEN_LENGTH } from '../sessions/refresh-token.js'
import type { IssuedTokens } from '../login/token-issuer.js'
import type { AnswerTokens } from '../types.js'
import type { RequestBody } from './request-body.js'

/** How tokens travel between a client and the routes: in the JSON or in cookies. */
export interface RefreshTransport {
  /** Whether a request of the refresh and logout routes needs a body. */
  readonly needsBody: boolean
  /** Throws `foreign_origin` if a page of an unknown origin sent the request, and the browser handles the token by itself. */
  requireKnownOrigin: OriginCheck
  /**
   * Throws `cookie_not_kept` if the client would not keep a cookie that a login gives to it.
   *
   * @param isOfRoute whether the route of a login asks, which must be below the path of the cookie, because it reads the cookie.
   * Browsers keep a cookie whatever the path of the answer is
   */
  requireKept: (req: Request, isOfRoute: boolean) => void
  /**
   * All refresh tokens of a request to refresh, one or more. Throws `invalid_request` or `missing_refresh_token`.
   *
   * @param field the field of the body that holds the refresh token, unless it is in a cookie
   */
  read: (req: Request, body: RequestBody, field: string) => readonly string[]
  /** The refresh tokens whose sessions a login or a logout ends: 4 at most, without duplicates, valid or not. */
  readToEnd: (req: Request, body: RequestBody, field: string) => readonly string[]
  /**
   * The access tokens in the cookie of a request, 4 at most, valid or not. None if a page of another origin sent the request,
   * because nothing may happen to the session then.
   */
  heldAccessTokens: (req: Request) => readonly string[]
  /** Sets the cookies of an answer. Returns the body of the answer: the tokens that are in no cookie, and the user. */
  hand: (res: Response, issued: IssuedTokens) => AnswerTokens<object>
  /**
   * Clears cookies that a login replaces: those in `previousCookies`, and an access cookie of the app. Call it before `hand`,
   * because browsers keep the last cookie of an answer.
   */
  clearReplaced: (res: Response) => void
  /** Clears all cookies of a session: those of both tokens, and those of `clearReplaced`. */
  clear: (res: Response) => void
}

/**
 * Refresh tokens are in the JSON of requests and answers: `{ "refresh_token": "…" }`. A page of another origin can send such
 * a request by a form, which then leaves the cookie of access tokens as it is.
 */
export function createBodyTransport(
  accessCookie: AccessCookie | undefined,
  requireKnownOrigin: OriginCheck,
): RefreshTransport {
  function isOfKnownOrigin(req: Request): boolean {
    try {
      requireKnownOrigin(req)
      return true
    } catch {
      return false
    }
  }
  function clear(res: Response): void {
    if (isOfKnownOrigin(res.req)) accessCookie?.clear(res)
  }
  return {
    ...bodyTransport,
    heldAccessTokens: req => (isOfKnownOrigin(req) ? readHeld(accessCookie, req) : []),
    clearReplaced: clear,
    clear,
  }
}

/** The access tokens in the cookie of a request, if such a cookie is read. Each costs a check of a signature. */
export function readHeld(
  accessCookie: Pick<AccessCookie, 'read'> | undefined,
  req: Request,
): readonly string[] {
  return [...new Set(accessCookie?.read(req))].slice(0, MAX_CANDIDATES)
}

const bodyTransport: Omit<RefreshTransport, 'heldAccessTokens' | 'clear' | 'clearReplaced'> = {
  needsBody: true,
  requireKnownOrigin: () => undefined,
  requireKept: () => undefined,
  read: (_req, body, field) => [requireText(body, field, MAX_REFRESH_TOKEN_LENGTH)],
  readToEnd: (_req, body, field) =>
    !Object.hasOwn(body, field) || isNone(body[field])
      ? []
      : [requireText(body, field, MAX_REFRESH_TOKEN_LENGTH)],
  hand: (_res, { answer }) => answer,
}
