import { hash } from 'node:crypto'
import type { Issuers } from '../access-tokens/issuers.js'
import type { TokenVerifier, VerifiedToken } from '../access-tokens/token-verifier.js'
import { CustomUserDataError } from '../errors.js'
import { createMetrics } from '../metrics.js'
import type { Metrics } from '../metrics.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionChecks } from '../sessions/session-checks.js'
import type { LoadCheck } from '../sessions/token-status.js'
import { isFresh } from '../snapshots/freshness.js'
import { requireDocument } from '../snapshots/require-document.js'
import type { BoundSnapshot, Snapshot } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import type { AuthenticatedUser } from '../types.js'
import { claimsOf, createTokenBindings } from './token-bindings.js'
import { noteUser, TokenLoads } from './token-loads.js'
import { isObject } from '../util/plain-object.js'

interface AuthenticatorConfig {
  readonly clockToleranceMs: number
  readonly requireDocument: boolean
  readonly maxTokenLength: number
}

interface AuthenticatorParts {
  readonly verifyToken: TokenVerifier
  readonly issuers: Pick<Issuers, 'mayName'>
  readonly snapshots: Snapshots
  readonly revocations: Revocations
  readonly sessionChecks: SessionChecks
  /** The check that runs at the same time as each load. Without it nothing else is checked. */
  readonly loadCheck?: LoadCheck
  /** Absent if tokens carry no custom data. */
  readonly claimSnapshots?: ClaimSnapshots | undefined
  readonly metrics?: Metrics
}

/** Turns an access token into `req.user`. It knows no requests. */
export type Authenticator = ReturnType<typeof createAuthenticator>

/** Creates the authenticator over a verifier and the snapshots. */
export function createAuthenticator(config: AuthenticatorConfig, parts: AuthenticatorParts) {
  const { snapshots, revocations, sessionChecks, metrics = createMetrics() } = parts
  const bindings = createTokenBindings({ ...config, ...parts })
  const loads = new TokenLoads({ ...parts, bindings, metrics })

  /** The user of a snapshot. Throws if the token was revoked, or if the user has no document and must have one. */
  function toUser(snapshot: BoundSnapshot): AuthenticatedUser<object> {
    const { userId } = snapshot.generation
    const claims = claimsOf(snapshot)
    revocations.requireNotRevoked(userId, claims)
    if (config.requireDocument) requireDocument(snapshot, userId)
    return { id: userId, customData: snapshot.data, claims }
  }

  /**
   * The user of a token whose snapshot is cached and may be served at once; `undefined` means: call `loadUser()`. Nearly
   * all requests take this path, so it is synchronous.
   *
   * @throws `invalid_token` if the token was revoked, `custom_data_missing`
   */
  function cachedUser(token: string): AuthenticatedUser<object> | undefined {
    if (token.length > config.maxTokenLength) return undefined
    const snapshot = snapshots.find(toCacheKey(token))
    if (!snapshot || sessionChecks.isDue(snapshot.generation.userId, claimsOf(snapshot))) return undefined
    const user = toUser(snapshot)
    // Counted only here, because a request that is refused is no hit.
    metrics.hit(user.id)
    return user
  }

  /**
   * The user of any token. Verifies the token and loads the snapshot, unless the cache has a snapshot that is at most
   * `maxAgeMs` old. Requests with the same token share its verification and its load.
   *
   * @param maxAgeMs milliseconds; 0 loads now. Without it a snapshot serves until it is stale.
   * @throws `invalid_token`, `keys_unavailable`, and the codes of a load that failed
   */
  async function loadUser(token: string, maxAgeMs?: number): Promise<AuthenticatedUser<object>> {
    requireString(token)
    const wanted = maxAgeMs === undefined ? undefined : snapshots.freshness(maxAgeMs)
    const cacheKey = toCacheKey(token)
    const cached = snapshots.find(cacheKey)
    const isHit = cached !== undefined && isFresh(cached, wanted)
    const snapshot = isHit ? cached : await loads.load({ token, cacheKey, cached, wanted })
    const claims = claimsOf(snapshot)
    const { userId } = snapshot.generation
    if (sessionChecks.isDue(userId, claims)) {
      await sessionChecks.check(userId, claims).catch(noteUser(userId))
      loads.requireAccepted(snapshot)
    }
    const user = toUser(snapshot)
    if (isHit) metrics.hit(user.id)
    return user
  }

  return {
    cachedUser,
    loadUser,
    userIdOf: bindings.userIdOf,
    /** The age of a token's cached snapshot in milliseconds, if the snapshot holds this custom data. */
    ageMsOf: (token: string, customData: unknown): number | undefined =>
      snapshots.ageMsOf(toCacheKey(token), customData),
    /** Keeps a snapshot for a token that was just issued. */
    keep(token: string, verified: VerifiedToken, snapshot: Snapshot): void {
      snapshots.keep(bindings.bind(token, toCacheKey(token), verified), snapshot)
    },
  }
}

/**
 * Whether a value is a user with an id, custom data and claims. Each guard checks this last, so that a mistake in this
 * package lets no request through, for example a promise that was taken for a user.
 */
export function isCompleteUser(value: unknown): value is AuthenticatedUser<object> {
  if (!isObject(value)) return false
  const { id, customData, claims } = value as Partial<Record<keyof AuthenticatedUser, unknown>>
  return typeof id === 'string' && id !== '' && isObject(customData) && isObject(claims)
}

/** The digest of the whole token (never a part of it), so that no token is held in memory. */
function toCacheKey(token: string): string {
  return hash('sha256', token, 'binary')
}

/** The team calls `verifyToken()` with whatever the handshake of a socket holds. */
function requireString(token: unknown): void {
  if (typeof token === 'string') return
  throw new CustomUserDataError('invalid_token', 'The access token is not a text.')
}
