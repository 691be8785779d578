import type { Parts } from '../parts.js'
import { toUserObject, providersOf } from '../users/user-object.js'
import { emptyAnswer, jsonAnswer } from '../wire/answers.js'
import { invalidSession, toAppServicesError } from '../wire/errors.js'
import { findSession, requireCaller, requireSession } from './callers.js'
import { mergeMetadata } from '../users/user-object.js'
import type { Route } from './routes.js'

/** Creates the routes of a session: refresh, logout and profile. */
export function sessionRoutes(parts: Parts): Route[] {
  const { userData, users, triggers, now } = parts
  return [
    {
      method: 'post',
      base: 'api',
      path: '/auth/session',
      async handle(call) {
        const { userId, refreshToken } = await requireSession(call, userData)
        const user = await users.touch(userId)
        if (!user) {
          await userData.revoke(userId)
          throw invalidSession('the user does not exist any more')
        }
        const client = { address: call.address }
        const { access_token } = await userData
          .exchangeRefreshToken(refreshToken, client)
          .catch((error: unknown) => {
            throw toAppServicesError(error)
          })
        return jsonAnswer({ access_token }, 201)
      },
    },
    {
      method: 'delete',
      base: 'api',
      path: '/auth/session',
      async handle(call) {
        const session = await findSession(call, userData)
        // An ended session is no error: the client would keep the user in its storage.
        if (!session) return emptyAnswer()
        await userData.endSession(session.refreshToken, { address: call.address })
        const user = await users.findById(session.userId)
        if (user) triggers.fire('LOGOUT', [session.providerType], toUserObject(user, {}, session.type))
        return emptyAnswer()
      },
    },
    {
      method: 'get',
      base: 'api',
      path: '/auth/profile',
      async handle(call) {
        const { userId, type } = await requireCaller(call, userData, now)
        const user = await users.findById(userId)
        if (!user) throw invalidSession('the user does not exist any more')
        const { identities } = user
        return jsonAnswer({
          user_id: userId,
          type,
          identities,
          data: mergeMetadata(identities),
          providers: providersOf(identities),
        })
      },
    },
  ]
}
