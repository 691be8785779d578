import { clearTimeout, setTimeout } from 'node:timers'
import type { Issuers } from '../access-tokens/issuers.js'
import { requireUserId } from '../access-tokens/user-id.js'
import type { VerifiedToken } from '../access-tokens/token-verifier.js'
import type { ExactDecoder } from '../documents/find-document.js'
import type { BackgroundWork } from '../util/background-work.js'
import { toShownAddress } from '../util/client-address.js'
import { describeValue } from '../util/describe-value.js'
import { toShownText } from '../util/shown-text.js'
import type { CustomUserDataError } from '../errors.js'
import { requireDocument } from '../snapshots/require-document.js'
import type { Snapshot } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import { toLoginStart } from '../sessions/login-start.js'
import type { LoginStart } from '../sessions/login-start.js'
import type { NewSession, OpenSession, SessionLifetime } from '../sessions/new-session.js'
import { endedMeanwhile, invalidGrant, noSuchSession } from '../sessions/session-errors.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionOrigin } from '../sessions/session-document.js'
import type { AccessTokenAnswer, TokenAnswer } from '../types.js'
import type { IssueTokensOptions, SessionOfUser } from './issue-tokens-options.js'
import type { SignToken } from './token-signer.js'

interface TokenIssuerParts {
  readonly issuers: Issuers
  readonly sign: SignToken
  /** Keeps the snapshot of a token that was just issued. The authenticator does this, and its room is above this one. */
  readonly authenticator: {
    readonly keep: (token: string, verified: VerifiedToken, snapshot: Snapshot) => void
  }
  readonly snapshots: Pick<Snapshots, 'loadForNewToken'>
  readonly sessions: Pick<Sessions, 'begin' | 'limit' | 'exchange' | 'reopen'>
  readonly revocations: Pick<Revocations, 'revokeSession' | 'wasSessionEnded' | 'wasUserRevokedSince'>
  readonly backgroundWork: BackgroundWork
  /** Absent for answers with custom data as handlers get it. */
  readonly answerFormat?: AnswerFormat | undefined
}

interface TokenIssuerConfig {
  readonly requireDocument: boolean
  readonly accessTokenTtlSeconds: number
  /** Absent if refresh tokens are in the JSON. */
  readonly refreshCookie: { readonly persistent: boolean } | undefined
}

/** How custom data is written into an answer, and how it must be decoded for that. */
export interface AnswerFormat {
  readonly decodeExactly: ExactDecoder
  readonly toJson: (data: object) => unknown
}

/** The tokens of a login or a refresh. */
export interface IssuedTokens {
  /** The body of the answer. */
  readonly answer: TokenAnswer<object>
  /** How long a cookie should hold the refresh token. */
  readonly lifetime: SessionLifetime
  /**
   * Throws the error of a refusal if the session has ended meanwhile, as far as this process knows. Call it after each wait,
   * because no login and no refresh may succeed after a logout or a revocation was answered.
   */
  readonly requireAlive: () => void
}

/** Gives issued tokens to their client, as far as that can fail. */
export type Deliver = (issued: IssuedTokens) => Promise<void>

/** A login whose credentials were right, and which may still be refused. */
interface LoginInProgress {
  readonly start: LoginStart
  /**
   * Rejects if the user may not log in. Runs while the session is stored and the document is loaded. Nothing is issued
   * before it has resolved.
   */
  readonly admit?: () => Promise<void>
  /** Runs last. If it rejects, the session ends, and no event tells that it began. */
  readonly deliver?: Deliver | undefined
}

/** How a session is opened, and the error if it ends before the answer. */
interface Opening {
  readonly open: () => Promise<OpenSession>
  readonly ended: () => CustomUserDataError
}

/** Issues token pairs. Each has a new snapshot of the user's document, which is bound to its access token. */
export class TokenIssuer {
  readonly #config: TokenIssuerConfig
  readonly #parts: TokenIssuerParts

  constructor(config: TokenIssuerConfig, parts: TokenIssuerParts) {
    this.#config = config
    this.#parts = parts
  }

  /** Whether an id can be that of a user of this instance. Our access token for another id would not be accepted. */
  isOwnUserId(userId: string): boolean {
    return !this.#parts.issuers.isForeign(userId)
  }

  /**
   * Begins a session for a user. `create` is called for a user without a document. It may create one, which is then read,
   * or reject.
   *
   * @throws `invalid_credentials` if the user is disabled, or was revoked since the login began; a `TypeError` if the id is
   * no text of 1 to 255 characters, or `startedAt` is no time of this process
   */
  async issue(
    userId: string,
    {
      device = null,
      address = null,
      startedAt,
      maxSessionsPerUser,
      persistent = this.#config.refreshCookie?.persistent ?? true,
      rotateRefreshTokens,
      refreshTokenTtlSeconds,
      refreshTokenIdleSeconds,
      claims = {},
    }: IssueTokensOptions = {},
    create?: () => Promise<void>,
    login: LoginInProgress = { start: toLoginStart(startedAt) },
  ): Promise<IssuedTokens> {
    const { issuers, sessions, revocations, backgroundWork } = this.#parts
    requireOwnUserId(userId, issuers)
    const admission = login.admit?.() ?? Promise.resolve()
    if (login.admit) await giveHeadStart(admission)
    const rotates = rotateRefreshTokens ?? null
    const life = { ttlSeconds: refreshTokenTtlSeconds ?? null, idleSeconds: refreshTokenIdleSeconds ?? null }
    const details = { ...toStoredOrigin({ device, address }), ...life, persistent, rotates, claims }
    const session = sessions.begin(userId, details, login.start)
    const answer = this.#answerLogin(userId, { session, admission, create })
    // A login that is refused does not wait for its answer, so nobody else may handle the rejection.
    answer.catch(() => undefined)
    try {
      await admission
    } catch (error) {
      // Not awaited, so that the answer for a disabled user takes no longer than the answer to a wrong password.
      backgroundWork.add(session.discard())
      throw error
    }
    try {
      const issued = await answer
      try {
        await login.deliver?.(issued)
        issued.requireAlive()
      } catch (error) {
        // The callback that failed may have passed the access token on.
        revocations.revokeSession((await session.stored()).sid, userId)
        throw error
      }
      session.announce()
      sessions.limit(await session.stored(), maxSessionsPerUser)
      return issued
    } catch (error) {
      await session.discard()
      throw error
    }
  }

  /**
   * Exchanges a refresh token. If the load fails, the same refresh token gets the same successor the next time.
   *
   * @param address the address of the client, for events
   * @throws `invalid_grant` if the token is not valid, or if its user's id has the prefix of an issuer that is trusted by now
   */
  async refresh(refreshToken: string, address?: string): Promise<IssuedTokens> {
    const { userId, open } = await this.#parts.sessions.exchange(refreshToken, address)
    if (!this.isOwnUserId(userId)) throw invalidGrant()
    return this.#loadAndAnswer(userId, { open, ended: invalidGrant })
  }

  /**
   * Issues a further access token for a session that is alive. Its refresh token stays as it is.
   *
   * @throws `session_not_found` if the session has ended, or is another user's
   */
  async reissue({ userId, sid }: SessionOfUser): Promise<AccessTokenAnswer<object>> {
    if (!this.isOwnUserId(userId)) throw noSuchSession()
    const { sessions } = this.#parts
    const open = async () => ({ ...(await sessions.reopen(userId, sid)), refreshToken: '' })
    const { answer } = await this.#loadAndAnswer(userId, { open, ended: noSuchSession })
    const { access_token, token_type, expires_in, user } = answer
    return { access_token, token_type, expires_in, user }
  }

  async #answerLogin(
    userId: string,
    {
      session,
      admission,
      create,
    }: {
      readonly session: NewSession
      readonly admission: Promise<void>
      readonly create: (() => Promise<void>) | undefined
    },
  ): Promise<IssuedTokens> {
    const opening = { open: () => session.open(), ended: endedMeanwhile }
    if (create) {
      const answer = await this.#load(userId, async snapshot => {
        await admission
        return snapshot.exists ? this.#answer(userId, snapshot, opening) : undefined
      })
      if (answer) return answer
      // The document is created before the first token, so that the token's snapshot has it.
      await create()
    }
    return this.#load(userId, async snapshot => {
      await admission
      return this.#answer(userId, snapshot, opening)
    })
  }

  #loadAndAnswer(userId: string, opening: Opening): Promise<IssuedTokens> {
    return this.#load(userId, snapshot => this.#answer(userId, snapshot, opening))
  }

  #load<T>(userId: string, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const { snapshots, answerFormat } = this.#parts
    return snapshots.loadForNewToken(userId, use, answerFormat?.decodeExactly)
  }

  /** Opens the session, which comes last of all that can fail, and signs its access token. */
  async #answer(userId: string, snapshot: Snapshot, { open, ended }: Opening): Promise<IssuedTokens> {
    const { authenticator, revocations, answerFormat } = this.#parts
    if (this.#config.requireDocument) requireDocument(snapshot, userId)
    const { data, exact = data } = snapshot
    const customData = answerFormat ? (answerFormat.toJson(exact) as object) : data
    const { sid, refreshToken, storedAt, endsInMs, persistent, claims } = await open()
    const access = await this.#parts.sign({ userId, sid, claims }, snapshot)
    const requireAlive = (): void => {
      if (revocations.wasSessionEnded(sid) || revocations.wasUserRevokedSince(userId, storedAt)) throw ended()
      // An issuer with the prefix of this id may have been added meanwhile.
      if (!this.isOwnUserId(userId)) throw ended()
    }
    requireAlive()
    authenticator.keep(access.token, { ...access, userId }, snapshot)
    const answer = {
      access_token: access.token,
      token_type: 'Bearer',
      expires_in: this.#config.accessTokenTtlSeconds,
      refresh_token: refreshToken,
      user: { id: userId, customData },
    } as const
    return { answer, lifetime: { endsInMs, persistent }, requireAlive }
  }
}

/** Longer labels are cut. The label and the address often come from headers, and everybody lists and logs them. */
const MAX_DEVICE_LENGTH = 128

function toStoredOrigin({ device, address }: SessionOrigin): SessionOrigin {
  return {
    device: device === null ? null : toShownText(device, MAX_DEVICE_LENGTH),
    address: toShownAddress(address ?? undefined) ?? null,
  }
}

/**
 * Milliseconds that the check of the user gets before the session is stored. A MongoDB nearby answers within this time, so
 * that nothing is stored for a disabled user. Over a longer way the commands run at the same time. Without this, logins of
 * disabled users took 10 % longer than wrong passwords on a busy machine, which told that the password was right.
 */
const HEAD_START_MS = 5

/** Resolves when the check has, or when it has had its head start. Rejects if the check does so before. */
async function giveHeadStart(check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const isOver = new Promise<void>(resolve => {
    timer = setTimeout(resolve, HEAD_START_MS)
  })
  try {
    await Promise.race([check, isOver])
  } finally {
    clearTimeout(timer)
  }
}

/** Refuses the id of a trusted issuer's user: our own access token for that user would not be accepted. */
function requireOwnUserId(userId: unknown, issuers: Issuers): void {
  requireUserId('issueTokens()', userId, issuers)
  if (!issuers.isForeign(userId)) return
  throw new TypeError(
    `issueTokens(): the user id must not begin with a trusted issuer's prefix (given: ${describeValue(userId)}).`,
  )
}
