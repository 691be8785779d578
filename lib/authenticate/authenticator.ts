import { hash } from 'node:crypto'
import { expiresAtMs } from '../access-tokens/claims.js'
import type { BoundSnapshot, Snapshot, SnapshotBinding } from '../snapshots/snapshot-cache.js'
import { isFresh } from '../snapshots/freshness.js'
import type { Freshness } from '../snapshots/freshness.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import { CustomUserDataError } from '../errors.js'
import { createObserver } from '../metrics.js'
import type { Observer } from '../metrics.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionChecks } from '../sessions/session-checks.js'
import type { LoadCheck } from '../sessions/token-status.js'
import type { AccessTokenClaims, AuthenticatedUser } from '../types.js'
import { createClaimsFreezer } from './frozen-claims.js'
import type { TokenVerifier, VerifiedToken } from '../access-tokens/token-verifier.js'

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
  /** The check that runs at the same time as each load. Without it nothing else is checked. */
  readonly loadCheck?: LoadCheck
  /** Absent where tokens carry no custom data. */
  readonly claimSnapshots?: ClaimSnapshots | undefined
  readonly observer?: Observer
}

/** Turns an access token into `req.user`. Knows nothing of requests. */
export interface Authenticator {
  /**
   * The user of a token whose snapshot is cached and may be served at once; `undefined` means: call `loadUser()`. Nearly
   * all requests take this path, so it is synchronous.
   *
   * @throws `invalid_token` if the token was revoked, `custom_data_missing`
   */
  cachedUser: (token: string) => AuthenticatedUser<object> | undefined
  /**
   * The user of any token. Verifies the token and loads the snapshot, unless a cached snapshot is as fresh as `wanted`.
   * Requests with the same token share its verification and its load.
   *
   * @throws `invalid_token`, `keys_unavailable`, and the codes of a load that failed
   */
  loadUser: (token: string, wanted?: Freshness) => Promise<AuthenticatedUser<object>>
  /** The id of the user of a claims object, if this authenticator made that object; otherwise `undefined`. */
  userIdOf: (claims: unknown) => string | undefined
  /** Keeps a snapshot for a token that was just issued. */
  keep: (token: string, verified: VerifiedToken, snapshot: Snapshot) => void
}

/** A token that passed every check, and the binding of its snapshot. */
interface Introduction {
  readonly verified: VerifiedToken
  readonly binding: SnapshotBinding
}

/** Creates the authenticator over a verifier and the snapshots. */
export function createAuthenticator(config: AuthenticatorConfig, parts: AuthenticatorParts): Authenticator {
  const { verifyToken, snapshots, revocations, sessionChecks, claimSnapshots } = parts
  const { observer = createObserver(), loadCheck } = parts
  const freezeClaims = createClaimsFreezer()
  const introductions = createSharedRuns<Introduction>()
  const takes = createSharedRuns<BoundSnapshot | undefined>()
  /** Bindings of tokens without custom data that may be served: requests with these tokens wait for the load. */
  const broughtNothing = new WeakSet<SnapshotBinding>()
  /** Written once for each token, so that a hit writes nothing. This costs a miss about 0.2 µs and 26 bytes. */
  const userIds = new WeakMap<object, string>()

  /** The user of a snapshot. Throws if the token was revoked, or if the user has no document and must have one. */
  function toUser(entry: BoundSnapshot): AuthenticatedUser<object> {
    const { userId } = entry.generation
    const claims = claimsOf(entry)
    revocations.requireNotRevoked(userId, claims)
    if (config.requireDocument) requireDocument(entry)
    return { id: userId, customData: entry.data, claims }
  }

  function introduce(token: string, cacheKey: string): Promise<Introduction> {
    return verifyToken(token).then(verified => ({
      verified,
      binding: toBinding(token, cacheKey, verified),
    }))
  }

  /** The running load of this token, if a request may wait for it without verifying the token again. */
  function loading(cacheKey: string, wanted: Freshness | undefined): SnapshotBinding | undefined {
    const binding = snapshots.loading(cacheKey)
    // A token with its custom data inside also works while MongoDB is away, so it does not wait for a load.
    return binding && claimSnapshots && !wanted && !broughtNothing.has(binding) ? undefined : binding
  }

  /** What the token brought along, if it may be served. */
  async function takeBrought(
    from: ClaimSnapshots,
    { binding, verified: { userId, claims } }: Introduction,
  ): Promise<BoundSnapshot | undefined> {
    const { cacheKey } = binding
    const shared = takes.running(cacheKey)
    const taken = await (shared ??
      takes.start(
        cacheKey,
        snapshots.keepFromClaim(binding, () => from.read(userId, claims)),
      ))
    // A request that shares this result may have come after an invalidation.
    if (taken?.generation.current === true) {
      if (shared) observer.miss(userId)
      if (shared) observer.claimSnapshot(userId)
      return taken
    }
    broughtNothing.add(binding)
    const underWay = snapshots.loading(cacheKey)
    if (underWay) broughtNothing.add(underWay)
    return undefined
  }

  function toBinding(
    token: string,
    cacheKey: string,
    { userId, claims, key }: VerifiedToken,
  ): SnapshotBinding {
    requireUserId(userId)
    const kept = claimSnapshots?.withoutUserData(claims) ?? claims
    freezeClaims(kept)
    userIds.set(kept, userId)
    const check = loadCheck?.(userId, claims)
    const claimsLength = lengthOf(token, kept)
    return {
      cacheKey,
      userId,
      claims: kept,
      claimsLength,
      signedBy: key,
      expiresAt: endOf(claims),
      check,
    }
  }

  /** The custom data inside a token is not kept with its claims, so it does not count. */
  function lengthOf(token: string, keptClaims: unknown): number {
    return claimSnapshots ? JSON.stringify(keptClaims).length : token.length
  }

  /** What a cached copy was bound to. */
  function rebind(token: string, cacheKey: string, copy: BoundSnapshot): SnapshotBinding {
    const { generation, claims, signedBy } = copy
    const claimsLength = lengthOf(token, claims)
    const expiresAt = endOf(claimsOf(copy))
    const { userId } = generation
    const check = loadCheck?.(userId, claimsOf(copy))
    return { cacheKey, userId, claims, claimsLength, signedBy, expiresAt, check }
  }

  function endOf(claims: AccessTokenClaims): number {
    return expiresAtMs(claims, config.clockToleranceMs)
  }

  return {
    cachedUser(token) {
      if (token.length > config.maxTokenLength) return undefined
      const copy = snapshots.find(toCacheKey(token))
      if (!copy || sessionChecks.isDue(copy.generation.userId, claimsOf(copy))) return undefined
      const user = toUser(copy)
      // Counted only here, because a request that is refused is no hit.
      observer.hit(user.id)
      return user
    },
    async loadUser(token, wanted) {
      requireString(token)
      const cacheKey = toCacheKey(token)
      const copy = snapshots.find(cacheKey)
      const isHit = copy !== undefined && isFresh(copy, wanted)
      let entry = isHit ? copy : undefined
      if (!entry) {
        // Only a verified token has a cached snapshot or a running load, and both are found only while the token is valid.
        let binding = copy ? rebind(token, cacheKey, copy) : loading(cacheKey, wanted)
        let introduction: Introduction | undefined
        if (!binding) {
          const running = introductions.running(cacheKey)
          introduction = await (running ?? introductions.start(cacheKey, introduce(token, cacheKey)))
          binding = introduction.binding
        }
        // A revoked token must not cause a load. toUser() checks again, because the token may be revoked during the load.
        revocations.requireNotRevoked(binding.userId, binding.claims as AccessTokenClaims)
        if (introduction && claimSnapshots && !wanted) entry = await takeBrought(claimSnapshots, introduction)
        entry ??= await snapshots.loadFor(binding, wanted)
        requireInUse(entry)
      }
      const claims = claimsOf(entry)
      const { userId } = entry.generation
      if (sessionChecks.isDue(userId, claims)) await sessionChecks.check(userId, claims)
      const user = toUser(entry)
      if (isHit) observer.hit(user.id)
      return user
    },
    userIdOf: claims => userIds.get(claims as object),
    keep(token, verified, snapshot) {
      snapshots.keep(toBinding(token, toCacheKey(token), verified), snapshot)
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

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Running operations by key. Requests with the same key share one operation; it is forgotten when it has settled. */
function createSharedRuns<T>() {
  const running = new Map<string, Promise<T>>()
  return {
    running: (key: string): Promise<T> | undefined => running.get(key),
    start(key: string, run: Promise<T>): Promise<T> {
      running.set(key, run)
      const end = (): void => void running.delete(key)
      // finally() would make another promise that rejects, and nobody would handle the rejection.
      run.then(end, end)
      return run
    },
  }
}

function claimsOf({ claims }: BoundSnapshot): AccessTokenClaims {
  return claims as AccessTokenClaims
}

/** Throws `custom_data_missing` where a user has no document. */
export function requireDocument(snapshot: Pick<Snapshot, 'exists'>): void {
  if (!snapshot.exists) throw new CustomUserDataError('custom_data_missing', 'The user has no custom data.')
}

/** The digest of the whole token (never a part of it), so that no token is held in memory. */
function toCacheKey(token: string): string {
  return hash('sha256', token, 'binary')
}

/** A snapshot without a user id could be served to another user. */
function requireUserId(userId: unknown): void {
  if (typeof userId === 'string' && userId !== '') return
  throw new TypeError(
    'A verified access token has no user id. This is a fault of the package: please report it.',
  )
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
