import type { Clock } from '../util/clock.js'
import { CustomUserDataError } from '../errors.js'
import type { SessionEndedEvent } from '../audit-events.js'
import { noteRefusal } from '../refusals.js'
import type { AccessTokenClaims } from '../types.js'

/** The access tokens that this process no longer serves, although they have not expired. */
export type Revocations = ReturnType<typeof createRevocations>

/** How long revocations are remembered, and how far clocks may differ. */
export interface RevocationsConfig {
  /** The longest life of our own access tokens. After this time every token of a revoked session has expired. */
  readonly sessionMs: number
  /** How long revocations of trusted issuers' users are remembered. Their tokens may live longer than ours. */
  readonly userMs: number
  readonly clockToleranceMs: number
}

/** A user whose sessions were all ended. */
interface RevokedUser {
  /** The database server's time of the revocation, in milliseconds. */
  readonly revokedAt: number
  /** This process's time when it learned of the revocation, in milliseconds. */
  readonly noticedAt: number
}

/**
 * Creates the revocations of one process. `dropSnapshots` is called for each user who is revoked, and `tellEnd` when this
 * process learns that sessions have ended.
 */
export function createRevocations(
  config: RevocationsConfig,
  ownIssuer: string | undefined,
  clock: Clock,
  dropSnapshots: (userId: string) => void = () => undefined,
  tellEnd: (ended: SessionEndedEvent) => void = () => undefined,
) {
  const sessions = createExpiringMap<'ended' | 'stolen'>(config.sessionMs, clock)
  const users = createExpiringMap<RevokedUser>(config.userMs, clock)
  const disabled = createExpiringMap<boolean>(config.userMs, clock)
  const refusal = (userId: string, error = revoked()): CustomUserDataError =>
    noteRefusal(error, { userId, reason: disabled.get(userId) === true ? 'disabled' : 'revoked' })

  /** A listener may call this instance, so the event is told last. The same end comes by a call, a stream and a read. */
  function end(sid: string, kind: 'ended' | 'stolen', userId: string | undefined): void {
    const before = sessions.get(sid)
    sessions.set(sid, before === 'ended' ? before : kind)
    if (before === undefined) tellEnd({ sid, userId })
  }

  return {
    /** Refuses the tokens of a session from now on. */
    revokeSession(sid: string, userId?: string): void {
      end(sid, 'ended', userId)
    },
    /** Refuses the tokens of a session whose refresh token came twice. An answer that is under way still goes out. */
    revokeStolenSession(sid: string, userId?: string): void {
      end(sid, 'stolen', userId)
    },
    /** Tells the end of a session whose access tokens have all expired, so that nothing need be remembered. */
    noteEnd(sid: string, userId?: string): void {
      if (sessions.get(sid) === undefined) tellEnd({ sid, userId })
    },
    /**
     * Refuses the tokens that trusted issuers issued to a user before `revokedAt`, the database server's time of the
     * revocation. Drops the user's snapshots, so that the next load for each token reads its session and the record of the
     * user. So no list of the user's sessions is needed, which may be long.
     *
     * @param noticedAt when this process learned of it, by its own clock; by default now
     */
    revokeUser(userId: string, revokedAt = 0, noticedAt = clock.now()): void {
      const before = users.get(userId) ?? { revokedAt: 0, noticedAt: 0 }
      users.set(userId, {
        revokedAt: Math.max(revokedAt, before.revokedAt),
        noticedAt: Math.max(noticedAt, before.noticedAt),
      })
      dropSnapshots(userId)
      if (revokedAt > before.revokedAt) tellEnd({ sid: undefined, userId })
    },
    /** Notes whether a user is disabled, which reports of refused tokens tell. It decides nothing. */
    noteDisabled: (userId: string, isDisabled: boolean): void => disabled.set(userId, isDisabled),
    /** Throws `invalid_token` if a verified token is revoked. Every request calls it, so it is cheap if nothing is revoked. */
    requireNotRevoked(userId: string, claims: AccessTokenClaims): void {
      // Our own tokens are judged by their session, never by their time. So a login right after a revocation works.
      if (claims.iss === ownIssuer) {
        if (claims.sid !== undefined && sessions.get(claims.sid) !== undefined) throw refusal(userId)
        return
      }
      const found = users.get(userId)
      const error = found && refusalByTime(claims, found.revokedAt, config.clockToleranceMs)
      if (error) throw refusal(userId, error)
    },
    /**
     * Whether one of our own tokens was issued to its user before a revocation, as far as clocks can tell. Its session may be
     * alive, so it is not refused, but it is served only after its session was read. A token of this process that is older
     * than the moment when it learned of the revocation counts in any case, however far the server's clock is behind.
     */
    mayBeRevoked(userId: string, { iss, iat = 0 }: AccessTokenClaims): boolean {
      const revoked = iss === ownIssuer ? users.get(userId) : undefined
      if (!revoked) return false
      const { revokedAt, noticedAt } = revoked
      return Math.floor(iat) * 1000 <= Math.max(revokedAt, noticedAt) + config.clockToleranceMs
    },
    /** Whether this process knows that all sessions of the user were ended after a session was stored at `storedAt`. */
    wasUserRevokedSince(userId: string, storedAt: number): boolean {
      const found = users.get(userId)
      return found !== undefined && storedAt <= found.revokedAt
    },
    /** Whether this process knows that the session was ended, as long as one of its access tokens may be valid. */
    remembersSession: (sid: string): boolean => sessions.get(sid) !== undefined,
    /** Whether this process ended a session because somebody asked for it. */
    wasSessionEnded: (sid: string): boolean => sessions.get(sid) === 'ended',
  }
}

/**
 * The error if a trusted issuer's token was not issued after a revocation. In doubt the token is refused:
 * `iat` is mostly in whole seconds, and the clocks of the issuer and the database may differ by the tolerance.
 */
export function refusalByTime(
  { iat = 0 }: AccessTokenClaims,
  revokedAt: number,
  clockToleranceMs: number,
): CustomUserDataError | undefined {
  const lastRefusedMs = Math.floor(revokedAt / 1000) * 1000 + clockToleranceMs
  // A fraction of a second is no proof of the order: the revocation is known to the second.
  if (Math.floor(iat) * 1000 > lastRefusedMs) return undefined
  if (iat * 1000 < revokedAt - clockToleranceMs) return revoked()
  const worksFrom = new Date((Math.floor(lastRefusedMs / 1000) + 1) * 1000).toISOString()
  return new CustomUserDataError(
    'invalid_token',
    `The sign-in was too close to a revocation of the user's tokens. A new sign-in works from ${worksFrom} on.`,
  )
}

function revoked(): CustomUserDataError {
  return new CustomUserDataError('invalid_token', 'The access token was revoked.')
}

/**
 * Creates a map whose entries expire after `ttlMs`. An LRU cache would drop entries early, and a revoked token would work
 * again.
 *
 * Two maps are used, and the older map is dropped as a whole when all its entries have expired. Deleting the oldest entries
 * of one map one by one is slow, because an iterator steps over all deleted entries.
 */
function createExpiringMap<Value>(ttlMs: number, clock: Clock) {
  type Entries = Map<string, { readonly value: Value; readonly endsAt: number }>
  const empty = (): Entries => new Map()
  let younger = empty()
  let older = empty()
  let youngerUntil = -Infinity

  function rotate(now: number): void {
    // After a pause of `ttlMs` the entries of the younger map have expired too.
    older = now < youngerUntil + ttlMs ? younger : empty()
    younger = empty()
    youngerUntil = now + ttlMs
  }

  return {
    set(key: string, value: Value): void {
      const now = clock.monotonic()
      if (now >= youngerUntil) rotate(now)
      younger.set(key, { value, endsAt: now + ttlMs })
    },
    get(key: string): Value | undefined {
      // Each request asks, so this costs nothing while nothing is revoked.
      if (younger.size === 0 && older.size === 0) return undefined
      const entry = younger.get(key) ?? older.get(key)
      return entry && clock.monotonic() < entry.endsAt ? entry.value : undefined
    },
  }
}
