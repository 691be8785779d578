import { Router } from 'express'
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express'
import type { RequestUsers } from '../authenticate/request-users.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { OwnHandlers } from '../checks/own-handlers.js'
import type { Events } from '../events.js'
import type { Operations } from '../operations.js'
import type { Sessions } from '../sessions/sessions.js'
import type { UserSessions } from '../sessions/user-sessions.js'
import { clientOf } from '../login/client.js'
import type { HookCalls } from '../login/hooks.js'
import { isSid } from '../sessions/refresh-token.js'
import { toShownAddress } from '../util/client-address.js'
import { answerMethods, methodNotAllowed } from './methods.js'
import type { RefreshTransport } from './refresh-transport.js'
import { toNextError } from '../util/thrown.js'

interface OwnSessionsParts {
  readonly sessions: Pick<Sessions, 'list' | 'revokeSession'>
  readonly requestUsers: Pick<RequestUsers, 'require'>
  readonly transport: RefreshTransport
  readonly hooks: HookCalls
  readonly events: Pick<Events, 'emit'>
  readonly handlers: Pick<OwnHandlers, 'add'>
}

/**
 * Creates "my devices". Mount it behind a guard of this instance: it acts on the user that this guard set. `GET /` lists
 * the user's sessions, and `DELETE /:sid` ends one. Another user's session is answered like an unknown session.
 */
export function createOwnSessionsRouter({
  sessions,
  requestUsers,
  transport,
  hooks,
  events,
  handlers,
}: OwnSessionsParts): Router {
  const router = Router()
  router.get('/', (req, res, next) => {
    answer(next, async () => {
      const { id, sid } = requestUsers.require('ownSessions()', req)
      const list = await sessions.list(id)
      noStore(res).json(list.map(session => ({ ...session, current: session.sid === sid })))
    })
  })
  router.all('/', answerMethods('GET, HEAD, OPTIONS'))
  router.delete('/:sid', (req, res, next) => {
    answer(next, async () => {
      const { id, sid } = requestUsers.require('ownSessions()', req)
      if (!(await sessions.revokeSession(req.params.sid, 'ownSessions', id))) {
        const named = isSid(req.params.sid) ? req.params.sid : undefined
        events.emit('session_end_refused', { userId: id, sid: named, address: toShownAddress(req.ip) })
        throw unknownSession()
      }
      if (req.params.sid === sid) transport.clear(res)
      hooks.after('afterLogout', { id }, clientOf(req))
      noStore(res).status(204).end()
    })
  })
  router.all('/:sid', answerMethods('DELETE, OPTIONS'))
  // This handler only passes errors on, so it answers none of them.
  router.use(handlers.add('passes errors on', refuseMalformedPath))
  return router
}

/** Express decodes the parameter `:sid`. Its own error would be answered as HTML, with a stack outside production. */
const refuseMalformedPath: ErrorRequestHandler = (error: unknown, _req, _res, next) => {
  const { status } = Object(error) as { readonly status?: unknown }
  const isOfExpress = status === 400 && !asCustomUserDataError(error)
  next(isOfExpress ? new CustomUserDataError('invalid_request', 'The sid in the path is malformed.') : error)
}

/** Creates the route that ends all sessions of the user whom a guard of this instance let in. */
export function createLogoutAllRoute({
  userSessions,
  requestUsers,
  transport,
  hooks,
  operations,
}: Pick<OwnSessionsParts, 'requestUsers' | 'transport' | 'hooks'> & {
  readonly userSessions: Pick<UserSessions, 'revoke'>
  readonly operations: Operations
}): RequestHandler {
  async function endAll(req: Request, res: Response): Promise<void> {
    // A page of another site can make a browser send a GET with the user's cookies.
    if (req.method !== 'POST') throw methodNotAllowed('POST')
    const { id } = requestUsers.require('logoutAll()', req)
    await userSessions.revoke(id, 'logoutAll')
    transport.clear(res)
    hooks.after('afterLogout', { id }, clientOf(req))
    noStore(res).status(204).end()
  }

  return function logoutAll(req, res, next) {
    const operation = operations.begin('logoutAll')
    answer(next, async () => {
      try {
        await endAll(req, res)
        operation.succeeded()
      } catch (error) {
        const ours = asCustomUserDataError(error)
        if (ours) operation.failed(ours)
        throw error
      }
    })
  }
}

function answer(next: NextFunction, run: () => Promise<void>): void {
  run().catch((error: unknown) => {
    next(toNextError(error))
  })
}

function noStore(res: Response): Response {
  return res.set('Cache-Control', 'no-store')
}

function unknownSession(): CustomUserDataError {
  return new CustomUserDataError('session_not_found', 'You have no session with this sid.')
}
