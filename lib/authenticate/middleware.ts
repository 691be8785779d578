import type { RequestHandler } from 'express'
import { asCustomUserDataError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import type { AuthenticatedUser } from '../types.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { withChallenge } from './challenge.js'
import type { TokenReader } from './token-places.js'

/** Options of `authenticate()`. */
export interface AuthenticateOptions {
  /** Let requests through that present nothing, with `req.user` undefined. Anything else is checked as ever. */
  readonly optional?: boolean
}

/**
 * Creates the guard: it sets `req.user`, whatever was there before, or hands an error to `next` that holds
 * status and challenge (RFC 6750 section 3).
 */
export function createAuthenticateMiddleware(
  authenticator: Authenticator,
  readToken: TokenReader,
  realm: string,
  { optional = false }: AuthenticateOptions = {},
  onRefused: (code: ErrorCode) => void = () => undefined,
): RequestHandler {
  function toAnswer(error: unknown): unknown {
    const ours = asCustomUserDataError(error)
    if (!ours) return error
    onRefused(ours.code)
    return withChallenge(ours, realm)
  }

  return function authenticateRequest(req, _res, next) {
    let token: string | undefined
    let user: AuthenticatedUser<object> | undefined
    try {
      token = readToken(req)
      if (token === undefined && !optional) throw missingToken()
      user = token === undefined ? undefined : authenticator.cached(token)
    } catch (error) {
      next(toAnswer(error))
      return
    }
    if (user !== undefined || token === undefined) {
      req.user = user as Express.User | undefined
      next()
      return
    }
    authenticator.authenticate(token).then(
      loaded => {
        req.user = loaded as Express.User
        next()
      },
      (error: unknown) => {
        next(toAnswer(error))
      },
    )
  }
}
