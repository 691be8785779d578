import { hash } from 'node:crypto'
import { expiresAtMs } from '../access-tokens/claims.js'
import type { BoundSnapshot, Snapshot, SnapshotBinding } from '../custom-data/snapshot-cache.js'
import { isFresh } from '../custom-data/freshness.js'
import type { Freshness } from '../custom-data/freshness.js'
import { toFrozenCopy } from '../custom-data/frozen-copy.js'
import type { Snapshots } from '../custom-data/snapshots.js'
import type { TokenSnapshots } from '../custom-data/token-snapshots.js'
import { CustomUserDataError } from '../errors.js'
import { createObserver } from '../observer.js'
import type { Observer } from '../observer.js'
import type { Revocations } from '../sessions/revocations.js'
import type { SessionChecks } from '../sessions/session-checks.js'
import type { AccessTokenClaims, AuthenticatedUser } from '../types.js'
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
  /** Keeps a snapshot for a token that was just issued. */
  keep: (token: string, verified: VerifiedToken, snapshot: Snapshot) => void
}

/** Creates the authenticator over a verifier and the snapshots. */
export function createAuthenticator(config: AuthenticatorConfig, parts: AuthenticatorParts): Authenticator {
  const { verifyToken, snapshots, revocations, sessionChecks, tokenSnapshots } = parts
  const { observer = createObserver() } = parts

  function cached(token: string): AuthenticatedUser<object> | undefined {
    if (token.length > config.maxTokenLength) return undefined
    const entry = snapshots.find(toCacheKey(token))
    if (!entry || sessionChecks.isDue(claimsOf(entry))) return undefined
    observer.hit(entry.binding.userId)
    return toUser(entry)
  }

  function toUser(entry: BoundSnapshot): AuthenticatedUser<object> {
    const { binding, snapshot } = entry
    const claims = claimsOf(entry)
    if (revocations.isRevoked(binding.userId, claims)) throw revoked()
    if (config.requireDocument) requireDocument(snapshot)
    return { id: binding.userId, customData: snapshot.data, claims }
  }

  /** The cached copy is asked again: it may be due for a look at its session only, or be older than wanted. */
  async function load(token: string, wanted: Freshness | undefined): Promise<BoundSnapshot> {
    const cachedEntry = snapshots.find(toCacheKey(token))
    if (cachedEntry && isFresh(cachedEntry.snapshot, wanted)) {
      observer.hit(cachedEntry.binding.userId)
      return cachedEntry
    }
    if (cachedEntry) {
      // What is cached was verified, and is found only while its token is good.
      const { binding } = cachedEntry
      return inUse(await snapshots.loadFor(binding, wanted))
    }
    return inUse(await take(token, await verifyToken(token), wanted))
  }

  /** The key may have been replaced while the document was loaded. */
  function inUse(entry: BoundSnapshot): BoundSnapshot {
    requireInUse(entry.binding.signedBy)
    return entry
  }

  /** From the token where it brought its copy along, else from the database. */
  async function take(
    token: string,
    verified: VerifiedToken,
    wanted: Freshness | undefined,
  ): Promise<BoundSnapshot> {
    const binding = toBinding(token, verified)
    const bring = tokenSnapshots && (() => tokenSnapshots.read(verified.userId, verified.claims))
    const brought = wanted === undefined && bring ? await snapshots.take(binding, bring) : undefined
    return brought ?? snapshots.loadFor(binding, wanted)
  }

  function toBinding(token: string, { userId, claims, key }: VerifiedToken): SnapshotBinding {
    return {
      cacheKey: toCacheKey(token),
      userId,
      claims: toFrozenCopy(tokenSnapshots?.withoutUserData(claims) ?? claims),
      signedBy: key,
      expiresAt: expiresAtMs(claims, config.clockToleranceMs),
    }
  }

  return {
    cached,
    async authenticate(token, wanted) {
      requireString(token)
      const hit = wanted ? undefined : cached(token)
      if (hit) return hit
      const entry = await load(token, wanted)
      const claims = claimsOf(entry)
      if (sessionChecks.isDue(claims)) await sessionChecks.check(claims)
      return toUser(entry)
    },
    keep(token, verified, snapshot) {
      snapshots.keep(toBinding(token, verified), snapshot)
    },
  }
}

function claimsOf({ binding }: BoundSnapshot): AccessTokenClaims {
  return binding.claims as AccessTokenClaims
}

function revoked(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token was revoked.')
}

/** Throws `custom_data_missing` where a user has no document. */
export function requireDocument(snapshot: Snapshot): void {
  if (!snapshot.exists) throw new CustomUserDataError('custom_data_missing', 'The user has no custom data.')
}

/** The digest of the whole token (never a part of it), so that no token is held in memory. */
function toCacheKey(token: string): string {
  return hash('sha256', token, 'base64')
}

/** What a socket's handshake holds can be anything. */
function requireString(token: unknown): void {
  if (typeof token === 'string') return
  throw new CustomUserDataError('invalid_token', 'The access token is not a text.')
}

/** The key may have been replaced while the document was loaded. */
function requireInUse(key: SnapshotBinding['signedBy']): void {
  if (key?.retired === true)
    throw new CustomUserDataError('invalid_token', 'The key of the access token was replaced.')
}
