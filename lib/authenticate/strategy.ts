import type { Request } from 'express'
import type { RequestChecks } from '../checks/request-checks.js'
import { asCustomUserDataError } from '../errors.js'
import type { Metrics } from '../metrics.js'
import type { AuthenticatedUser } from '../types.js'
import { isCompleteUser } from './authenticator.js'
import type { Authenticator } from './authenticator.js'
import type { SetCacheHeaders } from './cache-headers.js'
import { requireTokenForm } from './bearer-token.js'
import { toChallenge, withChallenge } from './challenge.js'
import { avoidHiddenClasses } from './hidden-classes.js'
import type { RequestUsers } from './request-users.js'
import { requireSettable } from './request-user.js'
import type { MissingToken, TokenReader } from './token-places.js'
import { toNextError } from '../util/thrown.js'

/** The name of the strategy in passport. */
const STRATEGY_NAME = 'custom-user-data'
const NO_USER = 'strategy() has found a user without an id, custom data or claims, and let nobody through.'

/** The strategy as passport takes it: `passport.use(userData.strategy())`. */
export interface PassportStrategy {
  /** Its name in passport, for `passport.authenticate('custom-user-data')`. */
  readonly name: string
  /** Called by passport for each request, on an object that has the functions `success`, `fail` and `error`. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the type of @types/passport has members that no strategy needs
  authenticate(this: any, req: Request, options?: any): void
}

/** The options of `passport.authenticate()` that are read or changed here. */
interface PassportOptions {
  session?: boolean
  readonly assignProperty?: string
}

/** What `passport.initialize()` leaves on a request. */
interface PassportRequest {
  readonly _userProperty?: string
  readonly _passport?: { readonly instance?: { readonly _userProperty?: string } }
}

/** The functions that passport sets on a strategy for each request; none of them needs its `this`. */
interface PassportActions {
  readonly success: (user: object) => void
  readonly fail: (challenge: string | undefined, status: number) => void
  readonly error: (error: unknown) => void
}

interface StrategyParts {
  readonly authenticator: Authenticator
  readonly tokens: TokenReader
  readonly missingToken: MissingToken
  readonly setCacheHeaders: SetCacheHeaders
  readonly requestUsers: Pick<RequestUsers, 'noteWithoutUser'>
  readonly realm: string
  readonly metrics: Pick<Metrics, 'refused'>
  readonly requestChecks: Pick<RequestChecks, 'refused'>
}

/**
 * Creates the strategy for apps that already use passport. For a malformed, missing or invalid token it calls `fail`, so
 * that the next strategy of a chain gets its turn. A refused user (403) and a failure of the server (5xx) are an `error`,
 * which ends the chain.
 */
export function createStrategy(parts: StrategyParts): PassportStrategy {
  const {
    authenticator,
    tokens,
    setCacheHeaders,
    requestUsers,
    realm,
    metrics,
    requestChecks,
    missingToken,
  } = parts

  function report(
    req: Request,
    thrown: unknown,
    { fail, error }: Pick<PassportActions, 'fail' | 'error'>,
  ): void {
    const ours = asCustomUserDataError(thrown)
    if (ours) metrics.refused(ours)
    const fails = ours?.status === 400 || ours?.status === 401
    // Passport answers a failure itself, so only an error reaches the error handlers of the app.
    if (ours) requestChecks.refused(req, fails ? undefined : req.res, ours)
    if (ours && fails) {
      // A later strategy of the chain may let the request through without a user.
      requestUsers.noteWithoutUser(req)
      fail(toChallenge(ours, realm), ours.status)
    } else error(ours ? withChallenge(ours, realm) : toNextError(thrown))
  }

  /** Gets the actions as an argument, because passport writes those of the next request onto the same strategy. */
  async function answerLater(
    req: Request,
    token: string,
    { success, fail, error }: PassportActions,
    options: PassportOptions,
  ): Promise<void> {
    const answer = await authenticator.loadUser(token).then(
      user => () => succeed(options, success, user),
      (thrown: unknown) => () => report(req, thrown, { fail, error }),
    )
    // Express catches a callback of the app that throws synchronously. Here nobody else would catch it.
    try {
      answer()
    } catch (thrown) {
      try {
        error(thrown)
      } catch (thrownAgain) {
        // Passport calls the same callback for an error. One that throws each error it gets would end the process.
        req.next?.(toNextError(thrownAgain))
      }
    }
  }

  return {
    name: STRATEGY_NAME,
    authenticate(this: PassportActions, req: Request, options: PassportOptions = {}) {
      let user: AuthenticatedUser<object> | undefined
      try {
        // Passport gives a strategy no response. Express leaves it on the request.
        setCacheHeaders(req.res)
        requireSettable(req, propertyOf(req, options), 'strategy()')
        avoidHiddenClasses(req)
        const token = tokens(req)
        if (token === undefined) throw missingToken(req)
        user = authenticator.cachedUser(token)
        if (user === undefined) {
          requireTokenForm(token)
          void answerLater(req, token, this, options)
          return
        }
      } catch (thrown) {
        report(req, thrown, this)
        return
      }
      succeed(options, this.success, user)
    },
  }
}

/**
 * Passport logs a user into the session unless the option `session` is false. A token needs no session, and the session
 * would outlive the token. Passport reads the option while `success` runs. The object belongs to the app, so the option is
 * restored afterwards.
 */
function succeed(options: PassportOptions, success: PassportActions['success'], user: unknown): void {
  // Passport lets any value through that it is given here, even a promise.
  if (!isCompleteUser(user)) throw new TypeError(NO_USER)
  if (options.session === false) {
    success(user)
    return
  }
  const before = Object.getOwnPropertyDescriptor(options, 'session')
  options.session = false
  try {
    success(user)
  } finally {
    if (before) Object.defineProperty(options, 'session', before)
    else delete options.session
  }
}

/** Where passport puts the user. Passport before 0.6 keeps the name in its own object. */
function propertyOf(req: Request, { assignProperty }: PassportOptions): string {
  const { _userProperty, _passport } = req as PassportRequest
  return assignProperty ?? _userProperty ?? _passport?.instance?._userProperty ?? 'user'
}
