import type { Parts } from '../parts.js'
import { requireCaller, requireLiveSession } from '../router/callers.js'
import type { Route } from '../router/routes.js'
import { emptyAnswer } from '../wire/answers.js'
import { deleteUser } from './delete-user.js'

/** Creates the route by which users delete themselves. The client then ends its session, which is no error. */
export function userRoutes(parts: Parts): Route[] {
  return [
    {
      method: 'delete',
      base: 'api',
      path: '/auth/delete',
      async handle(call) {
        const caller = await requireCaller(call, parts.userData, parts.now)
        await requireLiveSession(caller, parts.userData)
        await deleteUser(caller.userId, caller.type, parts)
        return emptyAnswer()
      },
    },
  ]
}
