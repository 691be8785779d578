import { issueAccessToken } from '../access-tokens/issue-access-token.js'
import type { AccessTokenConfig, IssuedAccessToken } from '../access-tokens/issue-access-token.js'
import type { Issuers } from '../access-tokens/issuers.js'
import { requireUserId } from '../access-tokens/user-id.js'
import type { KeyRing } from '../access-tokens/key-ring.js'
import { requireDocument } from '../authenticate/authenticator.js'
import type { Authenticator } from '../authenticate/authenticator.js'
import type { Clock } from '../util/clock.js'
import { describeValue } from '../util/describe-value.js'
import type { CustomUserDataError } from '../errors.js'
import type { Snapshot } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import type { Events } from '../events.js'
import { toLoginStart } from '../sessions/login-start.js'
import type { LoginStart } from '../sessions/login-start.js'
import { endedMeanwhile, invalidGrant } from '../sessions/sessions.js'
import type { OpenSession, Sessions } from '../sessions/sessions.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionOrigin } from '../sessions/session-store.js'
import type { TokenAnswer } from '../types.js'

/** What the issuer works with. */
export interface TokenIssuerParts {
  readonly issuers: Issuers
  readonly keys: KeyRing
  readonly authenticator: Authenticator
  readonly snapshots: Snapshots
  readonly sessions: Sessions
  readonly revocations: Revocations
  readonly clock: Clock
  readonly events: Events
  /** Absent where tokens carry no custom data. */
  readonly claimSnapshots: ClaimSnapshots | undefined
}

/** What the issuer needs to know. */
export interface TokenIssuerConfig extends AccessTokenConfig {
  readonly requireDocument: boolean
  readonly reuseWindowMs: number | undefined
  readonly userDataInToken: { readonly maxTokenBytes: number } | undefined
}

/** Options of `issueTokens()`: details of the login for the user's list of sessions, and its start. */
export interface IssueTokensOptions extends Partial<SessionOrigin> {
  /**
   * The value of `performance.now()`, in milliseconds, when your own check of the credentials began. A revocation of the
   * user's sessions since then ends this login.
   * @default the moment of the call
   */
  readonly startedAt?: number | undefined
}

/** Makes token pairs, each with a new copy of the user's document bound to its access token. */
export interface TokenIssuer {
  /**
   * Begins a session for a user. `create` is called for a user without a document. It may create one, which is then read,
   * or reject. `start` is the start of the login; without it `startedAt` is used.
   *
   * @throws `invalid_credentials` if the user is disabled, or was revoked since the login began; a `TypeError` if the id is
   * no text of 1 to 255 characters, or `startedAt` is no time of this process
   */
  issue: (
    userId: string,
    options?: IssueTokensOptions,
    create?: () => Promise<void>,
    start?: LoginStart,
  ) => Promise<TokenAnswer<object>>
  /** Exchanges a refresh token. Rejects with `invalid_grant` where it is not good. */
  refresh: (refreshToken: string) => Promise<TokenAnswer<object>>
}

/** How a session is opened, and the error if it ends before the answer. */
interface Opening {
  readonly open: () => Promise<OpenSession>
  readonly ended: () => CustomUserDataError
}

/** Creates the issuer of one instance. */
export function createTokenIssuer(config: TokenIssuerConfig, parts: TokenIssuerParts): TokenIssuer {
  const { issuers, authenticator, snapshots, sessions, revocations } = parts
  const sign = createSigner(config, parts)

  /** Opens a session or takes the one that is open, then signs. */
  async function answerWith(
    snapshot: Snapshot,
    userId: string,
    { open, ended }: Opening,
  ): Promise<TokenAnswer<object>> {
    if (config.requireDocument) requireDocument(snapshot)
    const { sid, refreshToken } = await open()
    const access = await sign({ userId, sid }, snapshot)
    // A logout may have been answered meanwhile: after it no refresh succeeds.
    if (revocations.wasSessionEnded(sid)) throw ended()
    authenticator.keep(access.token, { ...access, userId }, snapshot)
    return toAnswer(config, access.token, refreshToken, { userId, snapshot })
  }

  function issueWith(userId: string, opening: Opening): Promise<TokenAnswer<object>> {
    return snapshots.loadForNewToken(userId, snapshot => answerWith(snapshot, userId, opening))
  }

  /** Lets a document be made before the first token, so that the token's copy has it. */
  async function issueFirst(
    userId: string,
    opening: Opening,
    create: () => Promise<void>,
  ): Promise<TokenAnswer<object>> {
    const answer = await snapshots.loadForNewToken(userId, async snapshot =>
      snapshot.exists ? answerWith(snapshot, userId, opening) : undefined,
    )
    if (answer) return answer
    await create()
    return issueWith(userId, opening)
  }

  return {
    async issue(userId, { device = null, address = null, startedAt } = {}, create, start) {
      requireOwnUserId(userId, issuers)
      const begunAt = start ?? toLoginStart(startedAt)
      const open = () => sessions.begin(userId, { device, address }, begunAt)
      const opening = { open, ended: endedMeanwhile }
      return create ? issueFirst(userId, opening, create) : issueWith(userId, opening)
    },
    async refresh(refreshToken) {
      if (config.reuseWindowMs === undefined) {
        // If the load fails, the same refresh token gets the same successor the next time.
        const session = await sessions.exchange(refreshToken)
        return issueWith(session.userId, { open: () => Promise.resolve(session), ended: invalidGrant })
      }
      // With a window it might not: so what can fail comes before the exchange.
      const open = () => sessions.exchange(refreshToken)
      return issueWith(await sessions.peek(refreshToken), { open, ended: invalidGrant })
    },
  }
}

/** Signs tokens, with the user's data in them where that is turned on, where it can be said and where it fits. */
function createSigner(config: TokenIssuerConfig, parts: TokenIssuerParts) {
  const { keys, clock, events, claimSnapshots } = parts
  const { maxTokenBytes } = config.userDataInToken ?? { maxTokenBytes: Infinity }

  return async (
    subject: { readonly userId: string; readonly sid: string },
    snapshot: Snapshot,
  ): Promise<IssuedAccessToken> => {
    const sign = (extraClaims?: Readonly<Record<string, unknown>>) =>
      issueAccessToken(config, keys, { ...subject, extraClaims }, clock.now())
    if (!claimSnapshots) return sign()
    const { userId } = subject
    const userData = claimSnapshots.toClaims(snapshot)
    const access = await sign(userData)
    if (!userData) events.emit('snapshot_left_out', { userId, reason: 'no_extended_json' })
    const tokenBytes = access.token.length
    if (!userData || tokenBytes <= maxTokenBytes) return access
    events.emit('snapshot_left_out', { userId, reason: 'too_large', tokenBytes, maxTokenBytes })
    return sign()
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

function toAnswer(
  config: TokenIssuerConfig,
  accessToken: string,
  refreshToken: string,
  { userId, snapshot }: { readonly userId: string; readonly snapshot: Snapshot },
): TokenAnswer<object> {
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: config.accessTokenTtlSeconds,
    refresh_token: refreshToken,
    user: { id: userId, customData: snapshot.data },
  }
}
