import type { Parts } from '../parts.js'
import { describeUser } from '../users/delete-user.js'
import { mergeMetadata, providersOf } from '../users/user-object.js'
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
import type { Call, Route } from './routes.js'

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
        const [token, user, mayGoOn] = await Promise.all([
          exchange(session.refreshToken, call, parts),
          users.touch(session.userId),
          hasCredentials(session, parts),
        ])
        if (!user) {
          await userData.revoke(session.userId)
          throw userIsGone()
        }
        if (!mayGoOn) throw invalidSession('the API key of the session was disabled')
        return jsonAnswer({ access_token: token }, 201)
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
        triggers.fire('LOGOUT', [session.providerType], async () => {
          const user = await users.findById(userId)
          return user && describeUser(user, session.type, userData)
        })
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

/** Exchanges a refresh token, which stays the same. */
async function exchange(
  refreshToken: string,
  { address }: Call,
  { userData }: Pick<Parts, 'userData'>,
): Promise<string> {
  try {
    return (await userData.exchangeRefreshToken(refreshToken, { address })).access_token
  } catch (error) {
    throw toSessionEnd(error)
  }
}

/** Whether the credentials that a session began with are still accepted. The session of a disabled API key has ended. */
async function hasCredentials(
  { providerType, userId, sid }: CallerSession,
  { apiKeys }: Pick<Parts, 'apiKeys'>,
): Promise<boolean> {
  if (providerType !== 'api-key') return true
  return (await apiKeys?.sessions.mayGoOn(userId, sid)) ?? false
}
