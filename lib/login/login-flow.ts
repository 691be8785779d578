import type { LoginClientChecks } from '../checks/login-clients.js'
import type { RequestChecks } from '../checks/request-checks.js'
import { isSubject } from '../access-tokens/claims.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { startLogin } from '../sessions/login-start.js'
import type { LoginStart } from '../sessions/login-start.js'
import type { SessionClaims } from '../sessions/session-document.js'
import type { UserRecords } from '../sessions/user-records.js'
import { describeType, isObjectId } from '../util/describe-value.js'
import type { AccountName } from './account-name.js'
import type { Client } from './client.js'
import type { NameSource } from './counted-account.js'
import type { VerifiedUser, VerifyOutcome } from './credentials.js'
import { whileVerifying } from './current-attempt.js'
import { callInTime, refused } from './hooks.js'
import type { HookCalls } from './hooks.js'
import type { LoginAttempt } from './login-attempt.js'
import type { LoginThrottle } from './login-throttle.js'
import type { EndReplacedSessions } from './replaced-sessions.js'
import type { Deliver, IssuedTokens, TokenIssuer } from './token-issuer.js'

interface LoginParts {
  readonly tokenIssuer: Pick<TokenIssuer, 'issue' | 'isOwnUserId'>
  readonly endReplaced: EndReplacedSessions
  readonly userRecords: Pick<UserRecords, 'find'>
  /** Absent if the team limits logins by other means. */
  readonly throttle: LoginThrottle | undefined
  /** Shared by all flows of the instance. */
  readonly loginClientChecks: LoginClientChecks
  readonly requestChecks: Pick<RequestChecks, 'addressRead'>
  readonly hooks: HookCalls
  /** The accounts of a login, as events name them. */
  readonly nameAccounts: (names: Iterable<AccountName>) => readonly string[]
  readonly events: Events
}

interface LoginConfig {
  readonly verifyCredentialsTimeoutMs: number
}

/** The accounts that a login names, and the source of their names. */
export interface NamedAccounts {
  readonly names: readonly AccountName[]
  readonly source: NameSource
}

/** One login whose credentials have the right form. */
export interface PreparedLogin {
  readonly client: Client
  readonly accounts: NamedAccounts
  readonly verify: () => Promise<VerifyOutcome>
  /** Refresh tokens that the client held so far. The client drops them, so their sessions end (ASVS 7.2.4). */
  readonly replaced: readonly string[]
  /** Access tokens that the client held so far in a cookie. Their sessions end too. */
  readonly heldAccessTokens?: readonly string[] | undefined
  /** The most sessions that this login leaves the user; `undefined`: as the instance says. */
  readonly maxSessionsPerUser?: number | false | undefined
  /** Whether the cookie outlives the browser; `undefined`: as the instance says. */
  readonly persistent?: boolean | undefined
  /** Whether the session rotates its refresh tokens; `undefined`: as the instance says. */
  readonly rotateRefreshTokens?: boolean | undefined
  /** Seconds that the session lives from now on; `undefined`: as the instance says. */
  readonly refreshTokenTtlSeconds?: number | undefined
  /** Seconds that the session lives without a refresh; `undefined`: as the instance says. */
  readonly refreshTokenIdleSeconds?: number | undefined
  /** Claims of all access tokens of the session. */
  readonly claims?: SessionClaims | undefined
  /** Gives the tokens to the client. If it rejects, the session ends, and sessions that the login replaces stay. */
  readonly deliver?: Deliver | undefined
}

/** A login in progress. */
interface Login extends PreparedLogin {
  /** The accounts that it named so far, and the accounts whose passwords were checked. */
  readonly names: Set<AccountName>
}

/**
 * Logins, in this order: count the attempt, check the credentials, refuse disabled users, call the hook, issue tokens. No
 * step is left out, but commands that do not need each other's results are sent together.
 */
export class LoginFlow {
  readonly #timeoutMs: number
  readonly #parts: LoginParts

  constructor({ verifyCredentialsTimeoutMs }: LoginConfig, parts: LoginParts) {
    this.#timeoutMs = verifyCredentialsTimeoutMs
    this.#parts = parts
  }

  /**
   * Runs a login. `prepare` checks the form of the credentials, and has the same time limit as the check of the credentials.
   *
   * @param step the name of that check in errors
   */
  async run(step: string, prepare: () => Promise<PreparedLogin>): Promise<IssuedTokens> {
    // The login starts before anything is checked, because it must not survive a revocation from now on.
    const start = startLogin()
    const prepared = await callInTime(step, this.#timeoutMs, prepare)
    const login = { ...prepared, names: new Set(prepared.accounts.names) }
    const attempt = await this.#count(login)
    let user: VerifiedUser | undefined
    const deliver: Deliver = async issued => {
      await prepared.deliver?.(issued).catch((error: unknown) => {
        // This is no failed login: the credentials were right.
        attempt?.succeeded()
        throw error
      })
      issued.requireAlive()
      // The login is announced after this wait, so that a revocation meanwhile refuses it.
      await this.#parts.endReplaced(login.replaced, login.heldAccessTokens)
    }
    try {
      user = await this.#verify(login, attempt)
      const issued = await this.#issue(user, { ...login, deliver }, start)
      if (attempt?.succeeded() === 'unsure') this.#parts.loginClientChecks.ofUnsureAccount()
      this.#parts.hooks.after('afterLogin', user, login.client)
      return issued
    } catch (error) {
      attempt?.failed(error)
      this.#reportRefusal(error, login, attempt, user?.id)
      throw error
    }
  }

  async #count({ client, accounts, names }: Login): Promise<LoginAttempt | undefined> {
    const { throttle, nameAccounts } = this.#parts
    const attempt = throttle?.begin({
      address: client.address ?? undefined,
      accounts: () => nameAccounts(names),
    })
    if (attempt) {
      this.#parts.requestChecks.addressRead(client.req, 'login')
      this.#parts.loginClientChecks.ofAddress(client.address)
    }
    await attempt?.count(accounts.names, accounts.source)
    return attempt
  }

  async #verify(login: Login, attempt: LoginAttempt | undefined): Promise<VerifiedUser> {
    const { accounts, verify, names } = login
    const count = async (name: AccountName) => {
      names.add(name)
      return attempt?.countTried(name)
    }
    const user = await callInTime('verifyCredentials', this.#timeoutMs, async () => {
      const outcome = await whileVerifying(count, verify)
      if (attempt?.isAnonymous && accounts.source === 'guessed')
        this.#parts.loginClientChecks.ofUnknownAccount()
      const verified = toVerifiedUser(outcome)
      if (verified && !this.#parts.tokenIssuer.isOwnUserId(verified.id)) throw foreignId()
      return verified
    }).catch(toRefusal)
    if (user) return user
    // A record is read for unknown users too, so that a disabled user's answer takes no longer than a wrong password's.
    await this.#parts.userRecords.find('')
    throw refused()
  }

  /** With `beforeLogin`, the session begins only after the hook has agreed: the hook may list the user's sessions. */
  async #issue(user: VerifiedUser, login: Login, start: LoginStart): Promise<IssuedTokens> {
    const { tokenIssuer, hooks } = this.#parts
    const { client, deliver } = login
    const { device, address } = client
    const { maxSessionsPerUser, persistent, rotateRefreshTokens, claims } = login
    const { refreshTokenTtlSeconds, refreshTokenIdleSeconds } = login
    const life = { refreshTokenTtlSeconds, refreshTokenIdleSeconds }
    const options = { device, address, maxSessionsPerUser, persistent, rotateRefreshTokens, claims, ...life }
    const create = hooks.creationFor(user, client)
    const admit = () => this.#admit(user, login)
    if (!hooks.hasBeforeLogin) return tokenIssuer.issue(user.id, options, create, { start, admit, deliver })
    await admit()
    return tokenIssuer.issue(user.id, options, create, { start, deliver })
  }

  async #admit(user: VerifiedUser, login: Login): Promise<void> {
    const { isDisabled } = await this.#parts.userRecords.find(user.id)
    if (isDisabled || !(await this.#isLetIn(user, login.client))) throw refused()
  }

  async #isLetIn(user: VerifiedUser, client: Client): Promise<boolean> {
    return (await this.#parts.hooks.beforeLogin(user, client).catch(toRefusal)) === true
  }

  /** A refusal can come from each step, so it is reported here. One of the throttle has been reported already. */
  #reportRefusal(
    error: unknown,
    { client, names }: Login,
    attempt: LoginAttempt | undefined,
    userId: string | undefined,
  ): void {
    const answer = asCustomUserDataError(error)
    if (!answer || answer.status >= 500 || attempt?.hasThrown(answer)) return
    const { events, nameAccounts } = this.#parts
    const address = client.address ?? undefined
    const accounts = nameAccounts(names)
    const { code } = answer
    events.emit('login_refused', { code, accounts, address, ...(userId !== undefined && { userId }) })
  }
}

/** A callback refuses a login by an error with a status of 400 to 499. Any other error is a failure. */
function toRefusal(error: unknown): undefined {
  const { code, cause } = asCustomUserDataError(error) ?? {}
  if (code === 'callback_failed' && hasClientStatus(cause)) return undefined
  throw error
}

function hasClientStatus(thrown: unknown): boolean {
  try {
    const { status, statusCode } = Object(thrown) as {
      readonly status?: unknown
      readonly statusCode?: unknown
    }
    return [status, statusCode].some(value => typeof value === 'number' && value >= 400 && value < 500)
  } catch {
    // A getter threw, or a proxy was revoked, so there is no status.
    return false
  }
}

/** A new object with an id that was read once: the callback may change its object, or use one object for all logins. */
function toVerifiedUser(outcome: VerifyOutcome): VerifiedUser | undefined {
  if (outcome === null || outcome === undefined) return undefined
  const id: unknown = outcome.id
  if (isSubject(id)) return { ...withoutId(outcome), id }
  const isObject = typeof outcome === 'object'
  const given = isObject ? `{ id } with ${describeType(id)} as id` : describeType(outcome)
  const advice = isObjectId(id) ? ' Write { id: String(user._id) }.' : ''
  const message = `verifyCredentials must return null or { id }, a text of 1 to 255 characters (given: ${given}).${advice}`
  throw new CustomUserDataError('callback_failed', message)
}

function foreignId(): CustomUserDataError {
  const message =
    "verifyCredentials returned an id that begins with the userIdPrefix of a trusted issuer. That issuer's users log in there. " +
    'Return another id, or give the trusted issuer another userIdPrefix.'
  return new CustomUserDataError('callback_failed', message)
}

/** The other members. A spread would read the id, which may be a getter, a second time. */
function withoutId(outcome: VerifiedUser): object {
  const names = Object.keys(outcome).filter(name => name !== 'id')
  return Object.fromEntries(names.map(name => [name, Reflect.get(outcome, name) as unknown]))
}
