import type { Request } from 'express'
import type { AuthenticateOptions, Strategy } from 'passport'
import { asCustomUserDataError } from '../errors.js'
import type { ErrorCode } from '../errors.js'
import type { AuthenticatedUser } from '../types.js'
import type { Authenticator } from './authenticator.js'
import { missingToken } from './bearer-token.js'
import { toChallenge, withChallenge } from './challenge.js'
import { prepareForProperties } from './request-properties.js'
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
  tokens: TokenReader,
  realm: string,
  onRefused: (code: ErrorCode) => void = () => undefined,
): Strategy {
  /** A promise only where the token's copy is not cached. Throws what is wrong with the request. */
  function toUser(req: Request): AuthenticatedUser<object> | Promise<AuthenticatedUser<object>> {
    const guess = tokens.guess(req)
    const user = guess === undefined ? undefined : authenticator.cached(guess)
    if (user) return user
    const token = tokens.read(req)
    if (token === undefined) throw missingToken()
    return authenticator.authenticate(token)
  }

  function report(thrown: unknown, { fail, error }: Pick<PassportActions, 'fail' | 'error'>): void {
    const ours = asCustomUserDataError(thrown)
    if (ours) onRefused(ours.code)
    if (ours && (ours.status === 400 || ours.status === 401)) fail(toChallenge(ours, realm), ours.status)
    else error(ours ? withChallenge(ours, realm) : thrown)
  }

  /** Passport may write the actions of another request onto the strategy meanwhile: these are taken before. */
  function answerLater(
    loading: Promise<AuthenticatedUser<object>>,
    { success, fail, error }: PassportActions,
    options: AuthenticateOptions,
  ): void {
    const succeed = (user: AuthenticatedUser<object>): void => withoutSession(options, success, user)
    const refuse = (thrown: unknown): void => report(thrown, { fail, error })
    // A callback of the app's that throws is caught by Express where it is called at once; here by nobody but this.
    loading.then(succeed, refuse).catch(error)
  }

  return {
    name: STRATEGY_NAME,
    authenticate(this: PassportActions, req: Request, options: AuthenticateOptions = {}) {
      prepareForProperties(req)
      let user: ReturnType<typeof toUser>
      try {
        user = toUser(req)
      } catch (thrown) {
        report(thrown, this)
        return
      }
      if (user instanceof Promise) answerLater(user, this, options)
      else withoutSession(options, this.success, user)
    },
  }
}

/**
 * Passport logs a user into the session unless `session: false` is said. A token needs none, and a session would
 * outlive it. Passport reads the option while `success` runs; the object is the app's, so it is put back.
 */
function withoutSession(
  options: AuthenticateOptions,
  success: PassportActions['success'],
  user: AuthenticatedUser<object>,
): void {
  if (options.session === false) {
    success(user as Express.User)
    return
  }
  const before = Object.getOwnPropertyDescriptor(options, 'session')
  options.session = false
  try {
    success(user as Express.User)
  } finally {
    if (before) Object.defineProperty(options, 'session', before)
    else delete options.session
  }
}
