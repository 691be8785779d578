import type { Parts } from '../parts.js'
import { requireLiveSession, toSessionEnd, userIsGone } from '../router/callers.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import type { VerifiedIdentity } from '../users/stored-user.js'
import { jsonAnswer } from '../wire/answers.js'
import type { Answer } from '../wire/answers.js'
import { AppServicesError } from '../wire/errors.js'
import { deviceOf } from './device.js'
import type { Credentials, Provider } from './provider.js'
import { toLinkError } from './refusals.js'

/**
 * Adds the identity of credentials to a user, and issues a further access token for the session.
 *
 * No answer is 401 with `unauthorized` or `InvalidSession` because of the credentials: the client would refresh its access
 * token and repeat the request for ever.
 */
export async function linkIdentity(
  provider: Provider,
  caller: Caller,
  call: Call,
  { userData, users }: Parts,
): Promise<Answer> {
  const { userId, sid, type } = caller
  if (!provider.isLinkable)
    throw new AppServicesError('BadRequest', `an identity of ${provider.type} cannot be linked`)
  // A thief of a key could otherwise add a way to log in that outlives the key.
  if (type === 'server')
    throw new AppServicesError(
      'NoMatchingRuleFound',
      'a session that began with an API key cannot link identities',
    )
  const { account, verify, stillHolds } = provider.read(call)
  await requireLiveSession(caller, userData)
  const attempt = await userData.countAttempt({ account, address: call.address })
  const verified = await verifyToLink(verify, provider)
  attempt.giveBack()
  const isNew = await add(verified, userId, users)
  // An identity that the user had before stays, because no later login would find the user without it.
  if (isNew && (await stillHolds?.()) === false) {
    await users.removeIdentity(userId, verified)
    throw new AppServicesError('InvalidPassword', provider.refusal)
  }
  const { access_token } = await userData.reissue({ userId, sid }).catch((error: unknown) => {
    throw toSessionEnd(error)
  })
  return jsonAnswer({ access_token, user_id: userId, device_id: deviceOf(call.body).id })
}

async function verifyToLink(verify: Credentials['verify'], { refusal }: Provider): Promise<VerifiedIdentity> {
  const verified = await verify().catch((error: unknown) => {
    throw toLinkError(error, refusal)
  })
  if (verified === null || 'userId' in verified) throw new AppServicesError('InvalidPassword', refusal)
  return verified
}

/** Resolves to whether the user did not have the identity before. */
async function add(verified: VerifiedIdentity, userId: string, users: Parts['users']): Promise<boolean> {
  const owner = await users.findByIdentity(verified.providerType, verified.id)
  if (owner?._id.toHexString() === userId) return false
  switch (owner ? 'taken' : await users.addIdentity(userId, verified)) {
    case 'added':
      return true
    case 'taken':
      throw new AppServicesError('AccountNameInUse', 'a user already exists with these credentials')
    case 'full':
      throw new AppServicesError('LimitExceeded', 'the user has too many identities to link another', {
        status: 400,
      })
    case 'gone':
      throw userIsGone()
  }
}
