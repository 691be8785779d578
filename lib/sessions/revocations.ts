import type { Clock } from '../clock.js'
import type { AccessTokenClaims } from '../types.js'

/** What access tokens this process no longer serves, although their times say otherwise. */
export interface Revocations {
  /** Refuses the tokens of a session from now on. */
  revokeSession: (sid: string) => void
  /** The same for one whose refresh token came twice: an answer on its way still goes out, its tokens are refused. */
  revokeStolenSession: (sid: string) => void
  /** Refuses what other issuers' tokens say of a user, if they were issued before; `at` is now unless it is given. */
  revokeUser: (userId: string, at?: number) => void
  /** Whether a verified token is refused. Cheap while nothing is revoked: each request asks. */
  isRevoked: (userId: string, claims: AccessTokenClaims) => boolean
  /** Whether a session was ended by this process, on somebody's wish. */
  wasSessionEnded: (sid: string) => boolean
}

/**
 * Creates the book. An entry is kept for `ttlMs`, the life of the longest-lived access token of ours: after that no
 * token can need it. Others' tokens may live longer; a revoked user of theirs is kept as long as a session lives.
 */
export function createRevocations(
  ttls: { readonly sessionMs: number; readonly userMs: number },
  ownIssuer: string | undefined,
  clock: Clock,
): Revocations {
  const sessions = createExpiringMap<'ended' | 'stolen'>(ttls.sessionMs, clock)
  const users = createExpiringMap<number>(ttls.userMs, clock)
  return {
    revokeSession: sid => sessions.set(sid, 'ended'),
    revokeStolenSession(sid) {
      if (sessions.get(sid) === undefined) sessions.set(sid, 'stolen')
    },
    revokeUser(userId, at = clock.now()) {
      users.set(userId, Math.max(at, users.get(userId) ?? 0))
    },
    isRevoked(userId, claims) {
      if (claims.iss === ownIssuer) return claims.sid !== undefined && sessions.get(claims.sid) !== undefined
      const revokedAt = users.get(userId)
      return revokedAt !== undefined && (claims.iat ?? 0) * 1000 < revokedAt
    },
    wasSessionEnded: sid => sessions.get(sid) === 'ended',
  }
}

interface ExpiringMap<Value> {
  set: (key: string, value: Value) => void
  get: (key: string) => Value | undefined
}

/**
 * Not an LRU list: what falls out of it early would be served again. Two maps, of which the older goes as a whole when the
 * younger is as old as an entry lives: to delete the oldest of one map again and again is slow, since whoever looks for it
 * steps over all that was deleted before.
 */
function createExpiringMap<Value>(ttlMs: number, clock: Clock): ExpiringMap<Value> {
  type Entries = Map<string, { readonly value: Value; readonly endsAt: number }>
  const empty = (): Entries => new Map()
  let younger = empty()
  let older = empty()
  let youngerUntil = -Infinity

  function rotate(now: number): void {
    // After a pause of a whole life nothing of the younger is alive either.
    older = now < youngerUntil + ttlMs ? younger : empty()
    younger = empty()
    youngerUntil = now + ttlMs
  }

  return {
    set(key, value) {
      const now = clock.monotonic()
      if (now >= youngerUntil) rotate(now)
      younger.set(key, { value, endsAt: now + ttlMs })
    },
    get(key) {
      // Asked by each request: while nothing is revoked it costs nothing.
      if (younger.size === 0 && older.size === 0) return undefined
      const entry = younger.get(key) ?? older.get(key)
      return entry && clock.monotonic() < entry.endsAt ? entry.value : undefined
    },
  }
}
