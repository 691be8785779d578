import type { Request } from 'express'
import { isSubject } from '../access-tokens/claims.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toDeviceLabel } from '../sessions/device.js'
import { startLogin } from '../sessions/login-start.js'
import type { Sessions } from '../sessions/sessions.js'
import type { UserRecords } from '../sessions/user-records.js'
import { toPlainAddress } from '../throttle/address.js'
import type { LoginAttempt, LoginThrottle } from '../throttle/login-throttle.js'
import type { TokenIssuer } from '../token-issuer.js'
import type { TokenAnswer } from '../types.js'
import { callInTime, refused } from './hooks.js'
import type { HookCalls, VerifiedUser } from './hooks.js'

/** What `verifyCredentials` answers with. */
export type VerifyOutcome = VerifiedUser | null | undefined

/** What a login works with. */
export interface LoginParts {
  readonly tokenIssuer: TokenIssuer
  readonly sessions: Pick<Sessions, 'end'>
  readonly userRecords: Pick<UserRecords, 'find'>
  /** Absent where the team throttles by other means. */
  readonly throttle: LoginThrottle | undefined
  readonly hooks: HookCalls
  readonly events: Events
}

/** What a login needs to know. */
export interface LoginConfig {
  readonly verifyCredentialsTimeoutMs: number
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
  const { tokenIssuer, sessions, userRecords, throttle, hooks, events } = parts

  async function authenticate({ req, verify }: Login, address: string | undefined): Promise<VerifiedUser> {
    const user = await callVerify(config, verify)
    // Read for unknown users too, so that a disabled user's answer takes no longer than a wrong password's.
    const { isDisabled } = await userRecords.find(user?.id ?? '')
    if (user && !isDisabled && (await hooks.beforeLogin(user, req))) return user
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

  return async login => {
    // Before anything is checked: a revocation from now on is one that this login must not survive.
    const start = startLogin()
    const { req, account } = login
    const address = toPlainAddress(req.ip)
    const attempt = { account, address }
    await throttle?.admit(attempt)
    try {
      const user = await authenticate(login, address)
      const origin = { device: toDeviceLabel(req.headers['user-agent']), address: address ?? null }
      const answer = await tokenIssuer.issue(user.id, origin, hooks.creationFor(user, req), start)
      await settle(attempt, login.replaced)
      hooks.after('afterLogin', user, req)
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
  const user = await callInTime('verifyCredentials', config.verifyCredentialsTimeoutMs, verify)
  if (user === null || user === undefined) return undefined
  if (isSubject(user.id)) return user
  const message = 'verifyCredentials must return null or { id }, a text of 1 to 255 characters.'
  throw new CustomUserDataError('callback_failed', message)
}
