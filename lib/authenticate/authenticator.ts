import { hash } from 'node:crypto'
import { expiresAtMs } from '../access-tokens/claims.js'
import type { BoundSnapshot, Snapshot, SnapshotBinding } from '../custom-data/snapshot-cache.js'
import { isFresh } from '../custom-data/freshness.js'
import type { Freshness } from '../custom-data/freshness.js'
import { estimateHeapBytes } from '../custom-data/heap-size.js'
import type { Snapshots } from '../custom-data/snapshots.js'
import type { TokenSnapshots } from '../custom-data/token-snapshots.js'
import { CustomUserDataError } from '../errors.js'
import { createObserver } from '../observer.js'
import type { Observer } from '../observer.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionChecks } from '../sessions/session-checks.js'
import type { AccessTokenClaims, AuthenticatedUser } from '../types.js'
import { createClaimsFreezer } from './frozen-claims.js'
import type { TokenVerifier, VerifiedToken } from './token-verifier.js'

/** What the authenticator needs to know. */
export interface AuthenticatorConfig {
  readonly clockToleranceMs: number
  readonly requireDocument: boolean
  readonly maxTokenLength: number
}

/** What the authenticator works with. */
export interface AuthenticatorParts {
  readonly verifyToken: TokenVerifier
  readonly snapshots: Snapshots
  readonly revocations: Revocations
  readonly sessionChecks: SessionChecks
  /** Absent where tokens carry no custom data. */
  readonly tokenSnapshots?: TokenSnapshots | undefined
  readonly observer?: Observer
}

/** Turns an access token into `req.user`. Knows nothing of requests. */
export interface Authenticator {
  /** The token's user, if its copy is cached: the hot path, synchronous. Throws `custom_data_missing`. */
  cached: (token: string) => AuthenticatedUser<object> | undefined
  /** The token's user: verified, and loaded where it is not cached, or where the copy is older than wanted. */
  authenticate: (token: string, wanted?: Freshness) => Promise<AuthenticatedUser<object>>
  /** The id of the user whose token had these claims, if this authenticator verified or kept that token. */
  userIdOf: (claims: unknown) => string | undefined
  /** Keeps a snapshot for a token that was just issued. */
  keep: (token: string, verified: VerifiedToken, snapshot: Snapshot) => void
}

/** Creates the authenticator over a verifier and the snapshots. */
export function createAuthenticator(config: AuthenticatorConfig, parts: AuthenticatorParts): Authenticator {
  const { verifyToken, snapshots, revocations, sessionChecks, tokenSnapshots } = parts
  const { observer = createObserver() } = parts
  const freezeAndWeigh = createClaimsFreezer()
  /** Written once for each token, so that a hit has nothing to remember: some 0.2 us and 26 bytes of a miss. */
  const userIds = new WeakMap<object, string>()

  /** The user of a cached copy, unless its session is to be looked at first. */
  function served(copy: BoundSnapshot | undefined): AuthenticatedUser<object> | undefined {
    if (!copy || sessionChecks.isDue(claimsOf(copy))) return undefined
    observer.hit(copy.generation.userId)
    return toUser(copy)
  }

  function toUser(entry: BoundSnapshot): AuthenticatedUser<object> {
    const { userId } = entry.generation
    const claims = claimsOf(entry)
    if (revocations.isRevoked(userId, claims)) throw revoked()
    if (config.requireDocument) requireDocument(entry)
    return { id: userId, customData: entry.data, claims }
  }

  /** A cached copy that was not served at once may do yet: due for a look at its session only, or as young as wanted. */
  function stillGood(
    copy: BoundSnapshot | undefined,
    wanted: Freshness | undefined,
  ): BoundSnapshot | undefined {
    if (!copy || !isFresh(copy, wanted)) return undefined
    observer.hit(copy.generation.userId)
    return copy
  }

  /** A token that may bring its copy along does not wait for a load: it is good where MongoDB is away. */
  function loading(cacheKey: string, wanted: Freshness | undefined): SnapshotBinding | undefined {
    return tokenSnapshots && wanted === undefined ? undefined : snapshots.loading(cacheKey)
  }

  /** What the token brought along, if it may be served. */
  function takeBrought(
    from: TokenSnapshots,
    binding: SnapshotBinding,
    { userId, claims }: VerifiedToken,
  ): Promise<BoundSnapshot | undefined> {
    return snapshots.take(binding, () => from.read(userId, claims))
  }

  function toBinding(cacheKey: string, { userId, claims, key }: VerifiedToken): SnapshotBinding {
    const kept = tokenSnapshots?.withoutUserData(claims) ?? claims
    const claimsBytes = freezeAndWeigh(kept)
    userIds.set(kept, userId)
    return { cacheKey, userId, claims: kept, claimsBytes, signedBy: key, expiresAt: endOf(claims) }
  }

  /** What a cached copy was bound to. */
  function rebind(cacheKey: string, copy: BoundSnapshot): SnapshotBinding {
    const { generation, claims, signedBy } = copy
    const claimsBytes = estimateHeapBytes(claims)
    const expiresAt = endOf(claimsOf(copy))
    return { cacheKey, userId: generation.userId, claims, claimsBytes, signedBy, expiresAt }
  }

  function endOf(claims: AccessTokenClaims): number {
    return expiresAtMs(claims, config.clockToleranceMs)
  }

  return {
    cached: token =>
      token.length > config.maxTokenLength ? undefined : served(snapshots.find(toCacheKey(token))),
    async authenticate(token, wanted) {
      requireString(token)
      const cacheKey = toCacheKey(token)
      const copy = snapshots.find(cacheKey)
      const hit = wanted ? undefined : served(copy)
      if (hit) return hit
      let entry = stillGood(copy, wanted)
      if (!entry) {
        // What is cached was verified, and is found only while its token is good; what is being loaded likewise.
        let binding = copy ? rebind(cacheKey, copy) : loading(cacheKey, wanted)
        if (!binding) {
          const verified = await verifyToken(token)
          binding = toBinding(cacheKey, verified)
          if (tokenSnapshots && !wanted) entry = await takeBrought(tokenSnapshots, binding, verified)
        }
        entry ??= await snapshots.loadFor(binding, wanted)
        requireInUse(entry)
      }
      const claims = claimsOf(entry)
      if (sessionChecks.isDue(claims)) await sessionChecks.check(claims)
      return toUser(entry)
    },
    userIdOf: claims => userIds.get(claims as object),
    keep(token, verified, snapshot) {
      snapshots.keep(toBinding(toCacheKey(token), verified), snapshot)
    },
  }
}

function claimsOf({ claims }: BoundSnapshot): AccessTokenClaims {
  return claims as AccessTokenClaims
}

function revoked(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token was revoked.')
}

/** Throws `custom_data_missing` where a user has no document. */
export function requireDocument(snapshot: Pick<Snapshot, 'exists'>): void {
  if (!snapshot.exists) throw new CustomUserDataError('custom_data_missing', 'The user has no custom data.')
}

/** The digest of the whole token (never a part of it), so that no token is held in memory. */
function toCacheKey(token: string): string {
  return hash('sha256', token, 'binary')
}

/** What a socket's handshake holds can be anything. */
function requireString(token: unknown): void {
  if (typeof token === 'string') return
  throw new CustomUserDataError('invalid_token', 'The access token is not a text.')
}

/** The key may have been replaced while the document was loaded. */
function requireInUse(entry: BoundSnapshot): void {
  if (entry.signedBy?.retired !== true) return
  throw new CustomUserDataError('invalid_token', 'The key of the access token was replaced.')
}
