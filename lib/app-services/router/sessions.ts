import type { Parts } from '../parts.js'
import { mergeMetadata, providersOf, toUserObject } from '../users/user-object.js'
import { emptyAnswer, jsonAnswer } from '../wire/answers.js'
import { invalidSession } from '../wire/loops.js'
import {
  findSession,
  requireCaller,
  requireSession,
  requireUser,
  toSessionEnd,
  userIsGone,
} from './callers.js'
import type { CallerSession } from './callers.js'
import type { Route } from './routes.js'

/** Creates the routes of a session: refresh, logout and profile. */
export function sessionRoutes(parts: Parts): Route[] {
  const { userData, users, apiKeys, triggers, now } = parts
  return [
    {
      method: 'post',
      base: 'api',
      path: '/auth/session',
      async handle(call) {
        const session = await requireSession(call, userData)
        const { userId, refreshToken } = session
        const [user, mayGoOn] = await Promise.all([users.touch(userId), hasCredentials(session, parts)])
        if (!user) {
          await userData.revoke(userId)
          throw userIsGone()
        }
        if (!mayGoOn) throw invalidSession('the API key of the session was disabled')
        const client = { address: call.address }
        const { access_token } = await userData
          .exchangeRefreshToken(refreshToken, client)
          .catch((error: unknown) => {
            throw toSessionEnd(error)
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
        const { userId, sid } = session
        if (session.providerType === 'api-key') await apiKeys?.sessions.forget(userId, sid)
        const user = await users.findById(userId)
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
        const { identities } = await requireUser(users, userId)
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

/** Whether the credentials that a session began with are still accepted. The session of a disabled API key has ended. */
async function hasCredentials(
  { providerType, userId, sid }: CallerSession,
  { apiKeys }: Pick<Parts, 'apiKeys'>,
): Promise<boolean> {
  if (providerType !== 'api-key') return true
  return (await apiKeys?.sessions.mayGoOn(userId, sid)) ?? false
}
