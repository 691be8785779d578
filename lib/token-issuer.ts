import { isSubject } from './access-tokens/claims.js'
import { issueAccessToken } from './access-tokens/issue-access-token.js'
import type { AccessTokenConfig } from './access-tokens/issue-access-token.js'
import type { Issuers } from './access-tokens/issuers.js'
import type { KeyRing } from './access-tokens/key-ring.js'
import { requireDocument } from './authenticate/authenticator.js'
import type { Authenticator } from './authenticate/authenticator.js'
import type { Clock } from './clock.js'
import { CustomUserDataError } from './errors.js'
import type { Snapshot } from './custom-data/snapshot-cache.js'
import type { Snapshots } from './custom-data/snapshots.js'
import { createSid, parseRefreshToken } from './sessions/refresh-token.js'
import type { RefreshToken } from './sessions/refresh-token.js'
import type { SessionStore } from './sessions/session-store.js'
import type { TokenAnswer } from './types.js'

/** What the issuer works with. */
export interface TokenIssuerParts {
  readonly issuers: Issuers
  readonly keys: KeyRing
  readonly authenticator: Authenticator
  readonly snapshots: Snapshots
  readonly sessions: SessionStore
  readonly clock: Clock
}

/** What the issuer needs to know. */
export interface TokenIssuerConfig extends AccessTokenConfig {
  readonly requireDocument: boolean
}

/** Makes token pairs, each with a new copy of the user's document bound to its access token. */
export interface TokenIssuer {
  /** Starts a session for a user. Rejects with a `TypeError` where the id is no text of 1 to 255 characters. */
  issue: (userId: string) => Promise<TokenAnswer<object>>
  /** Exchanges a refresh token. Rejects with `invalid_grant` where it is not good. */
  refresh: (refreshToken: string) => Promise<TokenAnswer<object>>
}

/** Creates the issuer of one instance. */
export function createTokenIssuer(config: TokenIssuerConfig, parts: TokenIssuerParts): TokenIssuer {
  const { keys, issuers, authenticator, snapshots, sessions, clock } = parts

  /** Loads and signs before `exchange`, so that a failure of either consumes nothing and stores nothing. */
  function issueWith(
    userId: string,
    sid: string,
    exchange: () => Promise<RefreshToken | undefined>,
  ): Promise<TokenAnswer<object>> {
    return snapshots.loadAnew(userId, async snapshot => {
      if (config.requireDocument) requireDocument(snapshot)
      const access = await issueAccessToken(config, keys, { userId, sid }, clock.now())
      const refreshToken = await exchange()
      if (!refreshToken) throw invalidGrant()
      authenticator.keep(access.token, { ...access, userId }, snapshot)
      return toAnswer(config, access.token, refreshToken, { userId, snapshot })
    })
  }

  return {
    async issue(userId) {
      requireUserId(userId, issuers)
      const sid = createSid()
      return issueWith(userId, sid, () => sessions.create(sid, userId))
    },
    async refresh(refreshToken) {
      const token = parseRefreshToken(refreshToken)
      const session = token && (await sessions.find(token))
      if (!session) throw invalidGrant()
      return issueWith(session.userId, token.sid, () => sessions.rotate(token))
    },
  }
}

/** A token for such an id would not be accepted; and `undefined` in a query would find somebody's document. */
function requireUserId(userId: unknown, issuers: Issuers): void {
  if (isSubject(userId) && !issuers.isForeign(userId)) return
  throw new TypeError(
    "issueTokens(userId): the id must be a text of 1 to 255 characters that begins with no trusted issuer's prefix.",
  )
}

function invalidGrant(): CustomUserDataError {
  return new CustomUserDataError('invalid_grant', 'The refresh token is unknown, used, expired or revoked.')
}

function toAnswer(
  config: TokenIssuerConfig,
  accessToken: string,
  refreshToken: RefreshToken,
  { userId, snapshot }: { readonly userId: string; readonly snapshot: Snapshot },
): TokenAnswer<object> {
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: config.accessTokenTtlSeconds,
    refresh_token: refreshToken.text,
    user: { id: userId, customData: snapshot.data },
  }
}
