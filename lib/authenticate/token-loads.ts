import type { Issuers } from '../access-tokens/issuers.js'
import type { TokenVerifier, VerifiedToken } from '../access-tokens/token-verifier.js'
import { CustomUserDataError } from '../errors.js'
import { noteRefusal } from '../refusals.js'
import type { Metrics } from '../metrics.js'
import type { Revocations } from '../sessions/revocations.js'
import type { Freshness } from '../snapshots/freshness.js'
import type { BoundSnapshot, SnapshotBinding } from '../snapshots/snapshot-cache.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { ClaimSnapshots } from '../token-data/claim-snapshots.js'
import { claimsOf } from './token-bindings.js'
import type { TokenBindings } from './token-bindings.js'

interface TokenLoadParts {
  readonly verifyToken: TokenVerifier
  readonly issuers: Pick<Issuers, 'mayName'>
  readonly bindings: TokenBindings
  readonly snapshots: Snapshots
  readonly revocations: Revocations
  /** Absent if tokens carry no custom data. */
  readonly claimSnapshots?: ClaimSnapshots | undefined
  readonly metrics: Metrics
}

/** A token that passed every check, and the binding of its snapshot. */
interface VerifiedBinding {
  readonly verified: VerifiedToken
  readonly binding: SnapshotBinding
}

/** A token whose snapshot is not in the cache, or is not fresh enough. */
interface Miss {
  readonly token: string
  readonly cacheKey: string
  /** The cached snapshot that is not fresh enough. */
  readonly cached: BoundSnapshot | undefined
  /** How fresh the snapshot must be; `undefined`: the usual time. */
  readonly wanted: Freshness | undefined
}

/** Gets the snapshot of an access token that has none in the cache: verifies the token, then loads. */
export class TokenLoads {
  readonly #parts: TokenLoadParts
  readonly #verifications = new SharedRuns<VerifiedBinding>()
  readonly #takes = new SharedRuns<BoundSnapshot | undefined>()
  /** Bindings of tokens whose custom data may not be served. Requests with these tokens wait for the load. */
  readonly #withoutUsableData = new WeakSet<SnapshotBinding>()

  constructor(parts: TokenLoadParts) {
    this.#parts = parts
  }

  /**
   * The snapshot of a token. Requests with the same token share its verification and its load.
   *
   * @throws `invalid_token`, `keys_unavailable`, and the codes of a load that failed
   */
  async load({ token, cacheKey, cached, wanted }: Miss): Promise<BoundSnapshot> {
    const { bindings, snapshots, revocations } = this.#parts
    // Only a verified token has a cached snapshot or a running load, and both are found only while the token is valid.
    let binding = cached ? bindings.rebind(token, cacheKey, cached) : this.#loading(cacheKey, wanted)
    let taken: BoundSnapshot | undefined
    if (binding) {
      revocations.requireNotRevoked(binding.userId, claimsOf(binding))
    } else {
      const verified = await this.#verify(token, cacheKey)
      binding = verified.binding
      // A revoked token must not cause a load. It is checked again after the load, because it may be revoked meanwhile.
      revocations.requireNotRevoked(binding.userId, claimsOf(binding))
      if (!wanted) taken = await this.#takeFromClaims(verified)
    }
    const snapshot = taken ?? (await snapshots.loadFor(binding, wanted).catch(noteUser(binding.userId)))
    this.requireAccepted(snapshot)
    return snapshot
  }

  /**
   * Throws `invalid_token` if the token of a snapshot is accepted no longer. Keys and issuers may have been replaced, added or
   * removed while a request waited, so call it after each wait.
   */
  requireAccepted(snapshot: BoundSnapshot): void {
    const { signedBy, generation } = snapshot
    const { userId } = generation
    if (signedBy?.retired === true) {
      const error = new CustomUserDataError('invalid_token', 'The key of the access token was replaced.')
      throw noteRefusal(error, { reason: 'unknown_key', userId })
    }
    if (this.#parts.issuers.mayName(claimsOf(snapshot).iss, userId)) return
    const message = 'The access token names a user of another issuer.'
    throw noteRefusal(new CustomUserDataError('invalid_token', message), { userId })
  }

  /** The running load of this token, if a request may wait for it without verifying the token again. */
  #loading(cacheKey: string, wanted: Freshness | undefined): SnapshotBinding | undefined {
    const { snapshots, claimSnapshots } = this.#parts
    const binding = snapshots.loading(cacheKey)
    // A token with its custom data inside also works while MongoDB is away, so it does not wait for a load.
    return binding && claimSnapshots && !wanted && !this.#withoutUsableData.has(binding) ? undefined : binding
  }

  #verify(token: string, cacheKey: string): Promise<VerifiedBinding> {
    const { verifyToken, bindings } = this.#parts
    return this.#verifications.share(cacheKey, () =>
      verifyToken(token).then(verified => ({ verified, binding: bindings.bind(token, cacheKey, verified) })),
    )
  }

  /** The custom data inside the token, if it may be served. */
  async #takeFromClaims({ binding, verified }: VerifiedBinding): Promise<BoundSnapshot | undefined> {
    const { snapshots, claimSnapshots, metrics } = this.#parts
    if (!claimSnapshots) return undefined
    const { cacheKey } = binding
    const { userId, claims } = verified
    const isShared = this.#takes.isRunning(cacheKey)
    const taken = await this.#takes.share(cacheKey, () =>
      snapshots.keepFromClaim(binding, () => claimSnapshots.read(userId, claims)),
    )
    // A request that shares this result may have come after an invalidation.
    if (taken?.generation.current === true) {
      if (isShared) metrics.miss(userId)
      if (isShared) metrics.claimSnapshot(userId)
      return taken
    }
    this.#withoutUsableData.add(binding)
    const underWay = snapshots.loading(cacheKey)
    if (underWay) this.#withoutUsableData.add(underWay)
    return undefined
  }
}

/** Running operations by key. Calls with the same key share one operation until it has settled. */
class SharedRuns<T> {
  readonly #running = new Map<string, Promise<T>>()

  isRunning(key: string): boolean {
    return this.#running.has(key)
  }

  share(key: string, start: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running) return running
    const started = start()
    this.#running.set(key, started)
    const end = (): void => void this.#running.delete(key)
    // finally() would make another promise that rejects, and nobody would handle the rejection.
    started.then(end, end)
    return started
  }
}

/** Creates the handler that notes the user whose verified token is refused, and throws the error again. */
export function noteUser(userId: string) {
  return (error: unknown): never => {
    throw noteRefusal(error, { userId })
  }
}
