import type { Request, RequestHandler } from 'express'
import type { Snapshots } from '../custom-data/snapshots.js'
import { asCustomUserDataError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import type { Observer } from '../observer.js'
import type { AuthenticatedUser } from '../types.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import { parseAuthenticateOptions } from '../options/guards.js'
import type { MaxAgeOption } from './max-age.js'
import { prepareForProperties } from './request-properties.js'
import type { TokenReader } from './token-places.js'

/** Options of `authenticate()`. */
export interface AuthenticateOptions extends MaxAgeOption {
  /**
   * Let requests through that present no token, with `req.user` undefined. A token that is presented is checked.
   * @default false
   */
  readonly optional?: boolean
}

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

  function requireToken(req: Request): string | undefined {
    const token = tokens.read(req)
    if (token === undefined && !optional) throw missingToken()
    return token
  }

  return function authenticateRequest(req, _res, next) {
    let token: string | undefined
    let user: AuthenticatedUser<object> | undefined
    try {
      const guess = tokens.guess(req)
      user = guess === undefined ? undefined : authenticator.cached(guess)
      if (user === undefined) token = requireToken(req)
    } catch (error) {
      next(toAnswer(error))
      return
    }
    if (user !== undefined || token === undefined) {
      setUser(req, user)
      next()
      return
    }
    authenticator.authenticate(token).then(
      loaded => {
        setUser(req, loaded)
        next()
      },
      (error: unknown) => {
        next(toAnswer(error))
      },
    )
  }
}

function setUser(req: Request, user: AuthenticatedUser<object> | undefined): void {
  prepareForProperties(req)
  req.user = user as Express.User | undefined
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
    cached: () => undefined,
    authenticate: token => authenticator.authenticate(token, snapshots.freshness(maxAgeMs)),
  }
  return create(aging)
}
