import { isNativeError } from 'node:util/types'
import type { Request } from 'express'
import { isSubject } from '../access-tokens/claims.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toDeviceLabel } from './device.js'
import { startLogin } from '../sessions/login-start.js'
import type { Sessions } from '../sessions/sessions.js'
import type { UserRecords } from '../sessions/user-records.js'
import { toPlainAddress } from '../util/client-address.js'
import type { AccountName } from './account-name.js'
import { whileVerifying } from './current-attempt.js'
import type { LoginAttempt, LoginThrottle, NameSource } from './login-throttle.js'
import { toError } from '../util/thrown.js'
import type { TokenIssuer } from './token-issuer.js'
import type { TokenAnswer } from '../types.js'
import { callInTime, refused } from './hooks.js'
import type { HookCalls, VerifiedUser } from './hooks.js'
import { createThrottleWarnings } from '../routes/throttle-warnings.js'

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

/** The accounts that a login names, and the source of their names. */
export interface NamedAccounts {
  readonly names: readonly AccountName[]
  readonly source: NameSource
}

/** One login: who tries, and how to find out whether it is they. */
export interface Login {
  readonly req: Request
  readonly accounts: NamedAccounts
  readonly verify: () => Promise<VerifyOutcome>
  /** Refresh tokens that the client held so far: it lets go of them, so their sessions end (ASVS 7.2.4). */
  readonly replaced: readonly string[]
}

/** Runs a login from the body's schema, which has the same time as the check of the credentials, to the answer. */
export type LoginFlow = (prepare: () => Promise<Login>) => Promise<TokenAnswer<object>>

/** Creates the flow: count, verify, refuse the disabled, ask the hook, issue, tell. */
export function createLoginFlow(config: LoginConfig, parts: LoginParts): LoginFlow {
  const { tokenIssuer, sessions, userRecords, throttle, hooks, events } = parts

  /** A callback refuses a login by an error with a status of 400 to 499. Any other error is a failure and is reported. */
  function toRefusal(hook: string, error: unknown): undefined {
    const { code, cause } = asCustomUserDataError(error) ?? {}
    if (code === 'callback_failed' && hasClientStatus(cause)) return undefined
    if (code === 'callback_failed') {
      events.emit('hook_failed', { hook, error: isNativeError(cause) ? cause : toError(error) })
    }
    throw error
  }

  async function authenticate({ req, verify }: Login, address: string | undefined): Promise<VerifiedUser> {
    const user = await callVerify(config, verify).catch((error: unknown) =>
      toRefusal('verifyCredentials', error),
    )
    // Read for unknown users too, so that a disabled user's answer takes no longer than a wrong password's.
    const { isDisabled } = await userRecords.find(user?.id ?? '')
    if (user && !isDisabled && (await isLetIn(user, req))) return user
    events.emit('login_refused', { address, ...(user && { userId: user.id }) })
    throw refused()
  }

  async function isLetIn(user: VerifiedUser, req: Request): Promise<boolean> {
    const verdict = await hooks
      .beforeLogin(user, req)
      .catch((error: unknown) => toRefusal('beforeLogin', error))
    return verdict === true
  }

  /** What cannot be put right any more is no reason to withhold what was issued. */
  async function settle(attempt: LoginAttempt | undefined, login: Login): Promise<void> {
    const ends = login.replaced.map(token => sessions.end(token))
    const [succeeded] = await Promise.allSettled([attempt?.succeeded(), ...ends])
    if (succeeded.status === 'fulfilled' && succeeded.value === 'unsure') warnings.ofUnsureAccount()
  }

  const warnings = createThrottleWarnings(events)

  return async prepare => {
    // The login starts before anything is checked, because it must not survive a revocation from now on.
    const start = startLogin()
    const login = await callInTime('login(): body', config.verifyCredentialsTimeoutMs, prepare)
    const { req, accounts } = login
    const address = toPlainAddress(req.ip)
    const attempt = throttle?.begin(address)
    if (attempt) warnings.ofUnusedProxyHeader(req)
    await attempt?.count(accounts.names, accounts.source)
    const verify = async (): Promise<VerifyOutcome> => {
      const outcome = await whileVerifying(attempt && (name => attempt.countTried(name)), login.verify)
      if (attempt?.isAnonymous && accounts.source === 'guessed') warnings.ofUnknownAccount()
      return outcome
    }
    try {
      const user = await authenticate({ ...login, verify }, address)
      const origin = { device: toDeviceLabel(req.headers['user-agent']), address: address ?? null }
      const answer = await tokenIssuer.issue(user.id, origin, hooks.creationFor(user, req), start)
      await settle(attempt, login)
      hooks.after('afterLogin', user, req)
      return answer
    } catch (error) {
      await attempt?.failed(error)
      throw error
    }
  }
}

function hasClientStatus(thrown: unknown): boolean {
  try {
    const { status, statusCode } = Object(thrown) as {
      readonly status?: unknown
      readonly statusCode?: unknown
    }
    return [status, statusCode].some(value => typeof value === 'number' && value >= 400 && value < 500)
  } catch {
    // A getter threw, or a proxy was revoked: then it says no status.
    return false
  }
}

function callVerify(
  config: LoginConfig,
  verify: () => Promise<VerifyOutcome>,
): Promise<VerifiedUser | undefined> {
  return callInTime('verifyCredentials', config.verifyCredentialsTimeoutMs, async () =>
    toVerifiedUser(await verify()),
  )
}

/** A copy with an id that was read once: the callback may change its object, or use one object for all logins. */
function toVerifiedUser(outcome: VerifyOutcome): VerifiedUser | undefined {
  if (outcome === null || outcome === undefined) return undefined
  const { id } = outcome
  if (isSubject(id)) return { ...withoutId(outcome), id }
  const message = 'verifyCredentials must return null or { id }, a text of 1 to 255 characters.'
  throw new CustomUserDataError('callback_failed', message)
}

/** The other members. A spread would read the id, which may be a getter, a second time. */
function withoutId(outcome: VerifiedUser): object {
  const names = Object.keys(outcome).filter(name => name !== 'id')
  return Object.fromEntries(names.map(name => [name, Reflect.get(outcome, name) as unknown]))
}
