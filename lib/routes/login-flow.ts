import type { Request } from 'express'
import { isSubject } from '../access-tokens/claims.js'
import { DeadlineError, withDeadline } from '../deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toDeviceLabel } from '../sessions/device.js'
import type { DisabledUsers } from '../sessions/disabled-users.js'
import type { Sessions } from '../sessions/sessions.js'
import { toPlainAddress } from '../throttle/address.js'
import type { LoginAttempt, LoginThrottle } from '../throttle/login-throttle.js'
import type { TokenIssuer } from '../token-issuer.js'
import type { TokenAnswer } from '../types.js'
import { toCallbackError } from './token-endpoint.js'

/** Whom credentials belong to. */
export interface VerifiedUser {
  /** The user's id, as it stands in the user id field. */
  readonly id: string
}

/** What `verifyCredentials` answers with. */
export type VerifyOutcome = VerifiedUser | null | undefined

/** Functions of the team's around a login. */
export interface LoginHooks {
  /** Before anything is issued: `false` refuses the login as if the credentials were wrong; a `CustomUserDataError` that it
   *  throws is the answer. */
  readonly beforeLogin?: (user: VerifiedUser, req: Request) => unknown
  /** After the answer was made; what it throws is the event `hook_failed` and nobody's answer. */
  readonly afterLogin?: (user: VerifiedUser, req: Request) => unknown
}

/** What a login works with. */
export interface LoginParts {
  readonly tokenIssuer: TokenIssuer
  readonly sessions: Pick<Sessions, 'end'>
  readonly disabledUsers: DisabledUsers
  /** Absent where the team throttles by other means. */
  readonly throttle: LoginThrottle | undefined
  readonly events: Events
}

/** What a login needs to know. */
export interface LoginConfig {
  readonly verifyCredentialsTimeoutMs: number
  readonly hooks: LoginHooks
}

/** One login: who tries, and how to find out whether it is they. */
export interface Login {
  readonly req: Request
  readonly account: string | undefined
  readonly verify: () => Promise<VerifyOutcome>
  /** Refresh tokens that the client held so far: it lets go of them, so their sessions end (ASVS 7.2.4). */
  readonly replaced: readonly string[]
}

/** Runs a login from the first count to the answer. */
export type LoginFlow = (login: Login) => Promise<TokenAnswer<object>>

/** Creates the flow: count, verify, refuse the disabled, ask the hook, issue, tell. */
export function createLoginFlow(config: LoginConfig, parts: LoginParts): LoginFlow {
  const { tokenIssuer, sessions, disabledUsers, throttle, events } = parts

  async function authenticate({ req, verify }: Login, address: string | undefined): Promise<VerifiedUser> {
    const user = await callVerify(config, verify)
    // Also for nobody, so that a disabled user's answer takes no longer than a wrong password's.
    const isDisabled = await disabledUsers.has(user?.id ?? '')
    if (user && !isDisabled && (await callBefore(config, user, req))) return user
    events.emit('login_refused', { address, ...(user && { userId: user.id }) })
    throw refused()
  }

  /** Our own trouble is nobody's failed attempt. */
  async function release(attempt: LoginAttempt, error: unknown): Promise<void> {
    const isRefusal = asCustomUserDataError(error)?.code === 'invalid_credentials'
    if (!isRefusal) await throttle?.released(attempt).catch(() => undefined)
  }

  /** What cannot be put right any more is no reason to withhold what was issued. */
  async function settle(attempt: LoginAttempt, replaced: readonly string[]): Promise<void> {
    const ends = replaced.map(token => sessions.end(token))
    await Promise.allSettled([throttle?.succeeded(attempt), ...ends])
  }

  function callAfter(user: VerifiedUser, req: Request): void {
    const { afterLogin } = config.hooks
    if (!afterLogin) return
    setImmediate(() => {
      Promise.resolve()
        .then(() => afterLogin(user, req))
        .catch((error: unknown) => {
          events.emit('hook_failed', { hook: 'afterLogin', error: toError(error) })
        })
    })
  }

  return async login => {
    const { req, account } = login
    const address = toPlainAddress(req.ip)
    const attempt = { account, address }
    await throttle?.admit(attempt)
    try {
      const user = await authenticate(login, address)
      const origin = { device: toDeviceLabel(req.headers['user-agent']), address: address ?? null }
      const answer = await tokenIssuer.issue(user.id, origin)
      await settle(attempt, login.replaced)
      callAfter(user, req)
      return answer
    } catch (error) {
      await release(attempt, error)
      throw error
    }
  }
}

async function callVerify(
  config: LoginConfig,
  verify: () => Promise<VerifyOutcome>,
): Promise<VerifiedUser | undefined> {
  const user = await callInTime('verifyCredentials', config, verify)
  if (user === null || user === undefined) return undefined
  if (isSubject(user.id)) return user
  const message = 'verifyCredentials must return null or { id }, a text of 1 to 255 characters.'
  throw new CustomUserDataError('callback_failed', message)
}

async function callBefore(config: LoginConfig, user: VerifiedUser, req: Request): Promise<boolean> {
  const { beforeLogin } = config.hooks
  if (!beforeLogin) return true
  const verdict = await callInTime('beforeLogin', config, () => Promise.resolve(beforeLogin(user, req)))
  return verdict !== false
}

async function callInTime<T>(
  name: string,
  { verifyCredentialsTimeoutMs }: LoginConfig,
  callback: () => Promise<T>,
): Promise<T> {
  try {
    return await withDeadline(verifyCredentialsTimeoutMs, callback)
  } catch (cause) {
    throw cause instanceof DeadlineError ? tooSlow(cause) : toCallbackError(name, cause)
  }
}

function refused(): CustomUserDataError {
  return new CustomUserDataError('invalid_credentials', 'The credentials are wrong.')
}

function tooSlow(cause: unknown): CustomUserDataError {
  return new CustomUserDataError('credentials_unavailable', 'Credentials could not be checked in time.', {
    cause,
  })
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
