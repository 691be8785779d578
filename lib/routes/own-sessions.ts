import { Router } from 'express'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { missingToken } from '../authenticate/bearer-token.js'
import { withChallenge } from '../authenticate/challenge.js'
import { CustomUserDataError } from '../errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { HookCalls } from './hooks.js'
import type { RefreshTransport } from './refresh-transport.js'

/** What the routes work with. */
export interface OwnSessionsParts {
  readonly sessions: Pick<Sessions, 'list' | 'revokeSession' | 'revokeUser'>
  readonly transport: RefreshTransport
  readonly hooks: HookCalls
}

/**
 * Creates "my devices", to be mounted behind `authenticate()`: `GET /` lists the user's sessions, `DELETE /:sid` ends one.
 * Nobody sees or ends another's: a session of somebody else is as unknown as none.
 */
export function createOwnSessionsRouter(
  { sessions, transport, hooks }: OwnSessionsParts,
  realm: string,
): Router {
  const router = Router()
  router.get('/', (req, res, next) => {
    answer(next, async () => {
      const { id, sid } = requireUser(req, realm)
      const list = await sessions.list(id)
      noStore(res).json(list.map(session => ({ ...session, current: session.sid === sid })))
    })
  })
  router.delete('/:sid', (req, res, next) => {
    answer(next, async () => {
      const { id, sid } = requireUser(req, realm)
      if (!(await sessions.revokeSession(req.params.sid, id))) throw unknownSession()
      if (req.params.sid === sid) transport.clear(res)
      hooks.after('afterLogout', { id }, req)
      noStore(res).status(204).end()
    })
  })
  return router
}

/** Creates the route that ends all sessions of the user, to be mounted behind `authenticate()`. */
export function createLogoutAllRoute(
  { sessions, transport, hooks }: OwnSessionsParts,
  realm: string,
): RequestHandler {
  return function logoutAll(req, res, next) {
    answer(next, async () => {
      const { id } = requireUser(req, realm)
      await sessions.revokeUser(id)
      transport.clear(res)
      hooks.after('afterLogout', { id }, req)
      noStore(res).status(204).end()
    })
  }
}

function answer(next: NextFunction, run: () => Promise<void>): void {
  run().catch(next)
}

function requireUser(req: Request, realm: string): { readonly id: string; readonly sid: string | undefined } {
  if (!req.user) throw withChallenge(missingToken(), realm)
  return { id: req.user.id, sid: req.user.claims.sid }
}

function noStore(res: Response): Response {
  return res.set('Cache-Control', 'no-store')
}

function unknownSession(): CustomUserDataError {
  return new CustomUserDataError('session_not_found', 'You have no session of this name.')
}
