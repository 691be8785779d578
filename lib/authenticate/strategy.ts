import type { Request } from 'express'
import type { AuthenticateOptions, Strategy } from 'passport'
import { asCustomUserDataError } from '../errors.js'
import type { AuthenticatedUser } from '../types.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { toChallenge } from './challenge.js'
import type { TokenReader } from './token-places.js'

/** The name of the strategy in passport. */
const STRATEGY_NAME = 'custom-user-data'

/** The functions that passport sets on a strategy for each request; none of them needs its `this`. */
interface PassportActions {
  readonly success: (user: Express.User) => void
  readonly fail: (challenge: string | undefined, status: number) => void
  readonly error: (error: unknown) => void
}

/**
 * Creates the strategy for apps that already use passport. Malformed and missing tokens `fail`, so that a chain
 * of strategies goes on; a refused user (403) and our own trouble (5xx) end it as an `error`.
 */
export function createStrategy(
  authenticator: Authenticator,
  readToken: TokenReader,
  realm: string,
): Strategy {
  function report(thrown: unknown, { fail, error }: PassportActions): void {
    const ours = asCustomUserDataError(thrown)
    if (ours && (ours.status === 400 || ours.status === 401)) fail(toChallenge(ours, realm), ours.status)
    else error(thrown)
  }

  return {
    name: STRATEGY_NAME,
    authenticate(this: PassportActions, req: Request, options: AuthenticateOptions = {}) {
      // Passport writes the actions of one request onto a shared object where the strategy was handed to it as
      // an instance: by the time a load has ended they may be another request's.
      const { success, fail, error } = this
      const actions = { success, fail, error }
      const succeed = (user: AuthenticatedUser<object>): void => {
        withoutSession(options, () => {
          success(user as Express.User)
        })
      }
      try {
        const token = readToken(req)
        if (token === undefined) throw missingToken()
        const cached = authenticator.cached(token)
        if (cached) succeed(cached)
        else
          authenticator.authenticate(token).then(succeed, (thrown: unknown) => {
            report(thrown, actions)
          })
      } catch (thrown) {
        report(thrown, actions)
      }
    },
  }
}

/**
 * Passport logs a user into the session unless `session: false` is said. A token needs none, and a session would
 * outlive it. Passport reads the option while `success` runs; the object is the app's, so it is put back.
 */
function withoutSession(options: AuthenticateOptions, success: () => void): void {
  const { session } = options
  options.session = false
  try {
    success()
  } finally {
    if (session === undefined) delete options.session
    else options.session = session
  }
}
