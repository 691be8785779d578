import type { TokenAnswer } from '../../index.js'
import { CustomUserDataError } from '../../index.js'
import type { Parts } from '../parts.js'
import { requireCaller } from '../router/callers.js'
import type { SessionMarks } from '../router/callers.js'
import type { Call, Route } from '../router/routes.js'
import { toUserObject } from '../users/user-object.js'
import { ANONYMOUS_DAYS } from '../users/user-documents.js'
import { jsonAnswer } from '../wire/answers.js'
import type { Answer } from '../wire/answers.js'
import { AppServicesError } from '../wire/errors.js'
import { deviceOf } from './device.js'
import type { Device } from './device.js'
import { linkIdentity } from './link.js'
import { providerIsOff } from './provider.js'
import type { Credentials, Provider } from './provider.js'
import { toLoginError } from './refusals.js'
import { signIn } from './sign-in.js'
import type { SignedIn } from './sign-in.js'

/** Creates the login routes of the providers that the team turned on. */
export function loginRoutes(providers: readonly Provider[], parts: Parts): Route[] {
  const byType = new Map<string, Provider>(providers.map(provider => [provider.type, provider]))
  return [
    {
      method: 'post',
      base: 'app',
      path: '/auth/providers/:provider/login',
      takesCredentials: true,
      async handle(call) {
        const provider = byType.get(call.params['provider'] ?? '')
        if (!provider) throw providerIsOff()
        return call.query.get('link') === 'true' ? link(provider, call, parts) : logIn(provider, call, parts)
      },
    },
  ]
}

/** Five years: the longest life of a session. */
const ANONYMOUS_SESSION_SECONDS = 5 * 365 * 86_400

async function logIn(provider: Provider, call: Call, parts: Parts): Promise<Answer> {
  const device = deviceOf(call.body)
  const credentials = provider.read(call)
  const { tokens, signedIn } = await authenticate(provider, credentials, { ...call, device }, parts)
  const { user, isCreated } = signedIn
  const userObject = toUserObject(user, tokens.user.customData, provider.userType)
  if (isCreated) parts.triggers.fire('CREATE', [provider.type], userObject)
  parts.triggers.fire('LOGIN', [provider.type], userObject)
  return jsonAnswer({
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token,
    user_id: tokens.user.id,
    device_id: device.id,
  })
}

/** Runs the login of the instance, with its throttle, hooks and events. */
async function authenticate(
  provider: Provider,
  credentials: Credentials,
  { address, device }: Pick<Call, 'address'> & { readonly device: Device },
  parts: Parts,
): Promise<{ readonly tokens: TokenAnswer<object>; readonly signedIn: SignedIn }> {
  let found: SignedIn | undefined
  let signedIn: SignedIn | undefined
  let verified: Verified = null
  let refusal: unknown
  let hasFailed = false
  const marks: SessionMarks = { provider_type: provider.type, user_type: provider.userType }
  try {
    const tokens = await parts.userData.authenticateLogin({
      credentials: {},
      account: () => credentials.account,
      async verifyCredentials() {
        try {
          verified = await credentials.verify()
          found = verified === null ? undefined : await signIn(verified, parts)
          if (hasFailed) fireCreate(provider, found, parts)
          if (found && (await credentials.stillHolds?.()) !== false) signedIn = found
        } catch (error) {
          refusal = error
          throw error
        }
        return signedIn && { id: signedIn.user._id.toHexString() }
      },
      rotateRefreshTokens: false,
      ...lifeOf(provider),
      // realm-web shows this claim as `user.deviceId`, and sends it at the next login.
      claims: { ...marks, baas_device_id: device.id },
      address,
      device: device.label,
    })
    if (!signedIn) throw new Error('A login without a user succeeded.')
    await noteSession(verified, tokens, provider, parts)
    return { tokens, signedIn }
  } catch (error) {
    hasFailed = true
    fireCreate(provider, found, parts)
    throw toLoginError(refusal ?? toRefusal(error, provider.refusal))
  }
}

/** An anonymous user cannot log in again, so the session lives as long as the user. */
function lifeOf({ type }: Provider): object {
  if (type !== 'anon-user') return {}
  return {
    refreshTokenTtlSeconds: ANONYMOUS_SESSION_SECONDS,
    refreshTokenIdleSeconds: ANONYMOUS_DAYS * 86_400,
  }
}

type Verified = Awaited<ReturnType<Credentials['verify']>>

/** Lets the provider note the session, so that it can end with the credentials. */
async function noteSession(
  verified: Verified,
  { access_token }: TokenAnswer<object>,
  { refusal }: Provider,
  { userData }: Pick<Parts, 'userData'>,
): Promise<void> {
  if (!verified || !('userId' in verified) || !verified.begin) return
  const { claims } = await userData.verifyToken(access_token)
  if (typeof claims.sid !== 'string') throw new Error('The access token of a login has no session.')
  if (!(await verified.begin(claims.sid))) throw new AppServicesError('InvalidPassword', refusal)
}

/** A user can be created although no token is issued, or after the login has taken too long. */
function fireCreate(provider: Provider, signedIn: SignedIn | undefined, { triggers }: Parts): void {
  if (signedIn?.isCreated !== true) return
  triggers.fire('CREATE', [provider.type], toUserObject(signedIn.user, {}, provider.userType))
}

/** Adds the identity of the credentials to the user of the access token. */
async function link(provider: Provider, call: Call, parts: Parts): Promise<Answer> {
  const caller = await requireCaller(call, parts.userData, parts.now)
  return linkIdentity(provider, caller, call, parts)
}

/** Wrong credentials and a disabled user get the same answer. */
function toRefusal(error: unknown, refusal: string): unknown {
  const isRefused = error instanceof CustomUserDataError && error.code === 'invalid_credentials'
  return isRefused ? new AppServicesError('InvalidPassword', refusal, { cause: error }) : error
}
