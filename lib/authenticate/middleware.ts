import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { RequestChecks } from '../checks/request-checks.js'
import { asCustomUserDataError } from '../errors.js'
import type { Metrics } from '../metrics.js'
import { parseAuthenticateOptions } from '../options/guards.js'
import { toNextError } from '../util/thrown.js'
import type { AccessCookie } from './access-cookie.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import type { SetCacheHeaders } from './cache-headers.js'
import { requireTokenForm } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import { avoidHiddenClasses } from './hidden-classes.js'
import { setRequestUser } from './request-user.js'
import type { RequestUsers } from './request-users.js'
import type { MissingToken, TokenReader } from './token-places.js'

/** The option of each guard that asks for fresh custom data. */
export interface MaxAgeOption {
  /**
   * The greatest age of custom data that this route accepts, in milliseconds since the load began; 0 or more. If the
   * snapshot is older, a new one is loaded for this request and for later requests with the same token. 0 loads now.
   * @default undefined: a snapshot serves until it is stale
   */
  readonly maxAgeMs?: number | undefined
}

/** Options of `authenticate()`. */
export interface AuthenticateOptions extends MaxAgeOption {
  /**
   * Let requests through that present no token, with `req.user` undefined. A token that is presented is checked. If it is in
   * the cookie of `tokenPlaces` and not valid, the request counts as one without a token. The answer clears the cookie, unless
   * the token was revoked or has expired less than a minute ago.
   * @default false
   */
  readonly optional?: boolean | undefined
}

const NO_USER =
  'authenticate() has found a user without an id, custom data or claims, and let nobody through.'

/**
 * Creates the guard. It replaces `req.user`, or hands an error to `next` that holds the status and the challenge
 * (RFC 6750 section 3).
 */
export function createAuthenticateMiddleware(
  parts: {
    readonly authenticator: Authenticator
    readonly tokens: TokenReader
    readonly missingToken: MissingToken
    readonly setCacheHeaders: SetCacheHeaders
    /** Absent if no cookie is read. */
    readonly accessCookie: AccessCookie | undefined
    readonly realm: string
    readonly metrics: Pick<Metrics, 'refused' | 'ignored'>
    readonly requestUsers: Pick<RequestUsers, 'noteWithoutUser'>
    readonly requestChecks: Pick<RequestChecks, 'refused'>
  },
  options?: AuthenticateOptions,
): RequestHandler {
  const {
    authenticator,
    tokens,
    setCacheHeaders,
    accessCookie,
    realm,
    metrics,
    requestUsers,
    requestChecks,
    missingToken,
  } = parts
  const { maxAgeMs, optional } = parseAuthenticateOptions(options)
  // loadUser() checks the age of a cached snapshot, so with a maximum age each request takes that path.
  const cachedUser = maxAgeMs === undefined ? authenticator.cachedUser : () => undefined

  function toAnswer(req: Request, res: Response, error: unknown): unknown {
    const ours = asCustomUserDataError(error)
    if (!ours) return toNextError(error)
    metrics.refused(ours)
    requestChecks.refused(req, res, ours)
    return withChallenge(ours, realm)
  }

  /** Returns the error for `next`; `undefined` if the request may pass without a user. */
  function toOutcome(req: Request, res: Response, error: unknown): unknown {
    if (!optional || accessCookie?.isStale(req, error) !== true) return toAnswer(req, res, error)
    const ignored = asCustomUserDataError(error)
    if (ignored) metrics.ignored(ignored)
    try {
      accessCookie.clearStale(res, error)
      clearUser(req)
      // The request still has the cookie, and allow() must not take it for a token that no guard has seen.
      requestUsers.noteWithoutUser(req)
      return undefined
    } catch (another) {
      return toAnswer(req, res, another)
    }
  }

  async function loadAndPass(req: Request, res: Response, token: string, next: NextFunction): Promise<void> {
    try {
      setUser(req, await authenticator.loadUser(token, maxAgeMs))
    } catch (error) {
      next(toOutcome(req, res, error))
      return
    }
    next()
  }

  return function authenticateRequest(req, res, next) {
    try {
      setCacheHeaders(res)
      const token = tokens(req)
      if (token === undefined) {
        if (!optional) throw missingToken(req)
        clearUser(req)
      } else {
        const user = cachedUser(token)
        if (user === undefined) {
          requireTokenForm(token)
          void loadAndPass(req, res, token, next)
          return
        }
        setUser(req, user)
      }
    } catch (error) {
      next(toOutcome(req, res, error))
      return
    }
    next()
  }
}

/** Sets `req.user`. Throws for an incomplete user, so that a mistake in this package never accepts a request. */
function setUser(req: Request, user: unknown): void {
  if (!isCompleteUser(user)) throw new TypeError(NO_USER)
  avoidHiddenClasses(req)
  setRequestUser(req, user, 'authenticate()')
}

/** Removes a `req.user` that an earlier middleware set, because the request presents no token. */
function clearUser(req: Request): void {
  avoidHiddenClasses(req)
  setRequestUser(req, undefined, 'authenticate()')
}
