import type { NextFunction, Request, RequestHandler } from 'express'
import type { Snapshots } from '../snapshots/snapshots.js'
import { asCustomUserDataError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import type { Observer } from '../metrics.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import { missingToken, requireTokenForm } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import { parseAuthenticateOptions } from '../options/guards.js'
import { avoidHiddenClasses } from './hidden-classes.js'
import { setRequestUser } from './set-request-user.js'
import type { TokenReader } from './token-places.js'

/** The option of each guard that asks for fresh custom data. */
export interface MaxAgeOption {
  /**
   * The greatest age of custom data that this route accepts, in milliseconds since the load began; 0 or more. If the
   * snapshot is older, a new one is loaded for this request and for later requests with the same token. 0 loads now.
   * @default undefined: a snapshot serves until it is stale
   */
  readonly maxAgeMs?: number
}

/** Options of `authenticate()`. */
export interface AuthenticateOptions extends MaxAgeOption {
  /**
   * Let requests through that present no token, with `req.user` undefined. A token that is presented is checked.
   * @default false
   */
  readonly optional?: boolean
}

const NO_USER =
  'authenticate() has found a user without an id, custom data or claims, and let nobody through.'

/**
 * Creates the guard: it sets `req.user`, whatever was there before, or hands an error to `next` that holds
 * status and challenge (RFC 6750 section 3).
 */
function createAuthenticateMiddleware(
  authenticator: Authenticator,
  tokens: TokenReader,
  realm: string,
  optional: boolean,
  onRefused: (code: ErrorCode) => void,
): RequestHandler {
  function toAnswer(error: unknown): unknown {
    const ours = asCustomUserDataError(error)
    if (!ours) return error
    onRefused(ours.code)
    return withChallenge(ours, realm)
  }

  async function loadAndPass(req: Request, token: string, next: NextFunction): Promise<void> {
    try {
      setUser(req, await authenticator.loadUser(token))
    } catch (error) {
      next(toAnswer(error))
      return
    }
    next()
  }

  return function authenticateRequest(req, _res, next) {
    try {
      const token = tokens(req)
      if (token === undefined) {
        if (!optional) throw missingToken()
        clearUser(req)
      } else {
        const user = authenticator.cachedUser(token)
        if (user === undefined) {
          requireTokenForm(token)
          void loadAndPass(req, token, next)
          return
        }
        setUser(req, user)
      }
    } catch (error) {
      next(toAnswer(error))
      return
    }
    next()
  }
}

/** Sets `req.user`. Throws for an incomplete user, so that a mistake in this package lets nobody through. */
function setUser(req: Request, user: unknown): void {
  if (!isCompleteUser(user)) throw new TypeError(NO_USER)
  avoidHiddenClasses(req)
  setRequestUser(req, user as Express.User, 'authenticate()')
}

/** Removes a `req.user` that an earlier middleware set, because the request presents no token. */
function clearUser(req: Request): void {
  avoidHiddenClasses(req)
  setRequestUser(req, undefined, 'authenticate()')
}

/** What a guard works with. */
interface GuardParts {
  readonly authenticator: Authenticator
  readonly snapshots: Pick<Snapshots, 'freshness'>
  readonly observer: Pick<Observer, 'refused'>
}

/**
 * Creates the guard that was asked for. With `maxAgeMs` nothing is taken as cached before its age was looked at; without
 * it there is nothing to look at.
 */
export function createGuard(
  { authenticator, snapshots, observer }: GuardParts,
  tokens: TokenReader,
  realm: string,
  options?: AuthenticateOptions,
): RequestHandler {
  const { maxAgeMs, optional } = parseAuthenticateOptions(options)
  const create = (from: Authenticator): RequestHandler =>
    createAuthenticateMiddleware(from, tokens, realm, optional, observer.refused)
  if (maxAgeMs === undefined) return create(authenticator)
  const aging: Authenticator = {
    ...authenticator,
    cachedUser: () => undefined,
    loadUser: token => authenticator.loadUser(token, snapshots.freshness(maxAgeMs)),
  }
  return create(aging)
}
