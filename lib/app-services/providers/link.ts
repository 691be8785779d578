import type { Parts } from '../parts.js'
import type { Caller } from '../router/callers.js'
import type { Call } from '../router/routes.js'
import { jsonAnswer } from '../wire/answers.js'
import type { Answer } from '../wire/answers.js'
import { AppServicesError } from '../wire/errors.js'
import { deviceOf } from './device.js'
import type { Provider } from './provider.js'

/**
 * Adds the identity of credentials to a user, and issues a further access token for the session.
 *
 * No answer is 401 with `unauthorized` or `InvalidSession` because of the credentials: the client would refresh its access
 * token and repeat the request for ever.
 */
export async function linkIdentity(
  provider: Provider,
  { userId, sid }: Caller,
  call: Call,
  { userData, users }: Parts,
): Promise<Answer> {
  if (!provider.isLinkable)
    throw new AppServicesError('BadRequest', `an identity of ${provider.type} cannot be linked`)
  const { account, verify, stillHolds } = provider.read(call)
  const attempt = await userData.countAttempt({ account, address: call.address })
  const verified = await verify()
  if (verified === null || 'userId' in verified)
    throw new AppServicesError('InvalidPassword', provider.refusal)
  attempt.giveBack()
  const owner = await users.findByIdentity(verified.providerType, verified.id)
  if (owner?._id.toHexString() !== userId) {
    const outcome = owner ? 'taken' : await users.addIdentity(userId, verified)
    if (outcome === 'taken')
      throw new AppServicesError('AccountNameInUse', 'a user already exists with these credentials')
    if (outcome === 'gone')
      throw new AppServicesError('UserNotFound', 'the user cannot get a further identity')
    if ((await stillHolds?.()) === false) {
      await users.removeIdentity(userId, verified)
      throw new AppServicesError('InvalidPassword', provider.refusal)
    }
  }
  const { access_token } = await userData.reissue({ userId, sid })
  return jsonAnswer({ access_token, user_id: userId, device_id: deviceOf(call.body).id })
}
