import { issueAccessToken } from './access-tokens/issue-access-token.js'
import type { AccessTokenConfig, IssuedAccessToken } from './access-tokens/issue-access-token.js'
import type { Issuers } from './access-tokens/issuers.js'
import { requireUserId } from './access-tokens/user-id.js'
import type { KeyRing } from './access-tokens/key-ring.js'
import { requireDocument } from './authenticate/authenticator.js'
import type { Authenticator } from './authenticate/authenticator.js'
import type { Clock } from './clock.js'
import { describeValue } from './describe-value.js'
import type { Snapshot } from './custom-data/snapshot-cache.js'
import type { Snapshots } from './custom-data/snapshots.js'
import type { TokenSnapshots } from './custom-data/token-snapshots.js'
import type { Events } from './events.js'
import { invalidGrant } from './sessions/sessions.js'
import type { OpenSession, Sessions } from './sessions/sessions.js'
import type { Revocations } from './sessions/revocations.js'
import type { SessionOrigin } from './sessions/session-store.js'
import type { TokenAnswer } from './types.js'

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
  readonly tokenSnapshots: TokenSnapshots | undefined
}

/** What the issuer needs to know. */
export interface TokenIssuerConfig extends AccessTokenConfig {
  readonly requireDocument: boolean
  readonly reuseWindowMs: number | undefined
  readonly userDataInToken: { readonly maxTokenBytes: number } | undefined
}

/** Makes token pairs, each with a new copy of the user's document bound to its access token. */
export interface TokenIssuer {
  /** Begins a session for a user. Rejects with `invalid_credentials` where the user is disabled, and with a `TypeError`
   *  where the id is no text of 1 to 255 characters. `create` is called for a user who has no document: it may make one,
   *  which is read then, or reject. */
  issue: (
    userId: string,
    origin?: Partial<SessionOrigin>,
    create?: () => Promise<void>,
  ) => Promise<TokenAnswer<object>>
  /** Exchanges a refresh token. Rejects with `invalid_grant` where it is not good. */
  refresh: (refreshToken: string) => Promise<TokenAnswer<object>>
}

/** Creates the issuer of one instance. */
export function createTokenIssuer(config: TokenIssuerConfig, parts: TokenIssuerParts): TokenIssuer {
  const { issuers, authenticator, snapshots, sessions, revocations } = parts
  const sign = createSigner(config, parts)

  /** Opens a session or takes the one that is open, then signs. */
  async function answerWith(
    snapshot: Snapshot,
    userId: string,
    open: () => Promise<OpenSession>,
  ): Promise<TokenAnswer<object>> {
    if (config.requireDocument) requireDocument(snapshot)
    const { sid, refreshToken } = await open()
    const access = await sign({ userId, sid }, snapshot)
    // A logout may have been answered meanwhile: after it no refresh succeeds.
    if (revocations.wasSessionEnded(sid)) throw invalidGrant()
    authenticator.keep(access.token, { ...access, userId }, snapshot)
    return toAnswer(config, access.token, refreshToken, { userId, snapshot })
  }

  function issueWith(userId: string, open: () => Promise<OpenSession>): Promise<TokenAnswer<object>> {
    return snapshots.loadAnew(userId, snapshot => answerWith(snapshot, userId, open))
  }

  /** Lets a document be made before the first token, so that the token's copy has it. */
  async function issueFirst(
    userId: string,
    open: () => Promise<OpenSession>,
    create: () => Promise<void>,
  ): Promise<TokenAnswer<object>> {
    const answer = await snapshots.loadAnew(userId, async snapshot =>
      snapshot.exists ? answerWith(snapshot, userId, open) : undefined,
    )
    if (answer) return answer
    await create()
    return issueWith(userId, open)
  }

  return {
    async issue(userId, { device = null, address = null } = {}, create) {
      requireOwnUserId(userId, issuers)
      const open = () => sessions.begin(userId, { device, address })
      return create ? issueFirst(userId, open, create) : issueWith(userId, open)
    },
    async refresh(refreshToken) {
      if (config.reuseWindowMs === undefined) {
        // If the load fails, the same refresh token gets the same successor the next time.
        const session = await sessions.exchange(refreshToken)
        return issueWith(session.userId, () => Promise.resolve(session))
      }
      // With a window it might not: so what can fail comes before the exchange.
      return issueWith(await sessions.peek(refreshToken), () => sessions.exchange(refreshToken))
    },
  }
}

/** Signs tokens, with the user's data in them where that is turned on, where it can be said and where it fits. */
function createSigner(config: TokenIssuerConfig, parts: TokenIssuerParts) {
  const { keys, clock, events, tokenSnapshots } = parts
  const { maxTokenBytes } = config.userDataInToken ?? { maxTokenBytes: Infinity }

  return async (
    subject: { readonly userId: string; readonly sid: string },
    snapshot: Snapshot,
  ): Promise<IssuedAccessToken> => {
    const sign = (extraClaims?: Readonly<Record<string, unknown>>) =>
      issueAccessToken(config, keys, { ...subject, extraClaims }, clock.now())
    if (!tokenSnapshots) return sign()
    const { userId } = subject
    const userData = tokenSnapshots.toClaims(snapshot)
    const access = await sign(userData)
    if (!userData) events.emit('snapshot_left_out', { userId, reason: 'no_extended_json' })
    const tokenBytes = access.token.length
    if (!userData || tokenBytes <= maxTokenBytes) return access
    events.emit('snapshot_left_out', { userId, reason: 'too_large', tokenBytes, maxTokenBytes })
    return sign()
  }
}

/** An access token of ours for a user of another issuer would not be accepted. */
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
