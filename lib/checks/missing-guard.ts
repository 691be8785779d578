import type { Request } from 'express'
import type { WarningEvent } from '../events.js'
import { toShownPath } from '../util/request-path.js'
import type { OwnHandlers } from './own-handlers.js'

/** A request that reaches a handler which needs a user, and has no `req.user`. */
export interface RequestWithoutUser {
  /** The handler, for example `allow()`. */
  readonly callee: string
  readonly req: Request
  /** Whether the request presents an access token that no guard has looked at. */
  readonly presentsToken: boolean
  readonly handlers: OwnHandlers
}

/**
 * Checks whether `allow()` or another handler that needs a user has no guard before it. A request without a token proves little,
 * because an app may call its guard only for requests with a token. So the app must have no guard at all, or a guard behind the
 * handler and none before it.
 */
export function checkMissingGuard(request: RequestWithoutUser): WarningEvent | undefined {
  const { callee, req, presentsToken, handlers } = request
  const place = presentsToken ? 'unknown' : placeOfGuard(req, handlers)
  if (place === 'before') return undefined
  const refused = presentsToken ? 'answered with 500' : 'refused with 401'
  const found =
    place === 'behind'
      ? `stands above authenticate() or attach()`
      : `has no authenticate(), strategy() or attach() of the same instance before it`
  const message =
    `${req.method} ${toShownPath(req)} was ${refused}, because ${callee} ${found}. So no request has a user there. Write the ` +
    `guard in front: app.use(userData.authenticate()) above the route, or app.get('/path', userData.authenticate(), …).`
  return { code: 'guard_missing', message }
}

/** `before` also stands for a place that is not known. */
function placeOfGuard(req: Request, handlers: OwnHandlers): 'before' | 'behind' | 'nowhere' {
  // A guard with `optional: true` leaves `req.user` undefined, but there.
  if (Object.hasOwn(req, 'user')) return 'before'
  if (!handlers.canAuthenticate) return 'nowhere'
  const called = handlers.calledFor(req)
  const isGuard = (kind: unknown): boolean => kind === 'guard' || kind === 'optional guard'
  const user = called.indexOf('user')
  const isBehind = user !== -1 && !called.slice(0, user).some(isGuard) && called.slice(user).some(isGuard)
  return isBehind ? 'behind' : 'before'
}
