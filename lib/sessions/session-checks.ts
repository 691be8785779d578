import { LRUCache } from 'lru-cache'
import { elapsedMs, momentOf } from '../util/clock.js'
import type { Clock, Moment } from '../util/clock.js'
import type { AccessTokenClaims } from '../types.js'
import type { RequireActive } from './token-status.js'

/**
 * Reads at an interval whether access tokens in use are revoked, if the team wants it. For our own token it reads the
 * session, and for a trusted issuer's token the record of the user.
 */
export interface SessionChecks {
  /** Whether the token is to be checked before it is served. */
  isDue: (userId: string, claims: AccessTokenClaims) => boolean
  /** Checks a token. Rejects with `invalid_token` if it is revoked, or with `sessions_unavailable`. */
  check: (userId: string, claims: AccessTokenClaims) => Promise<void>
}

/** How many checks are remembered. With more tokens in use, tokens are checked more often. */
const MAX_REMEMBERED = 100_000

/** Checks nothing. */
const NO_CHECKS: SessionChecks = { isDue: () => false, check: () => Promise.resolve() }

/** Creates the checks: one per token every `intervalMs`, or none if it is `undefined`. */
export function createSessionChecks(
  intervalMs: number | undefined,
  ownIssuer: string | undefined,
  requireActive: RequireActive,
  clock: Clock,
): SessionChecks {
  if (intervalMs === undefined) return NO_CHECKS
  const checkedAt = new LRUCache<string, Moment>({ max: MAX_REMEMBERED })
  const running = new Map<string, Promise<void>>()

  /** The key of a check, which tokens share if one check is valid for all; `undefined` for our token without a session. */
  function keyOf(userId: string, { iss, sid, iat }: AccessTokenClaims): string | undefined {
    return iss === ownIssuer ? sid : `${iat ?? 0} ${userId}`
  }

  async function check(key: string, userId: string, claims: AccessTokenClaims): Promise<void> {
    const startedAt = momentOf(clock)
    await requireActive(userId, claims)
    checkedAt.set(key, startedAt)
  }

  return {
    isDue(userId, claims) {
      const key = keyOf(userId, claims)
      if (key === undefined) return false
      const last = checkedAt.get(key)
      return last === undefined || elapsedMs(clock, last) >= intervalMs
    },
    check(userId, claims) {
      const key = keyOf(userId, claims) ?? ''
      // With an interval of 0 each request needs its own check: a running check may have begun before a revocation.
      const shared = intervalMs === 0 ? undefined : running.get(key)
      if (shared) return shared
      const started = check(key, userId, claims).finally(() => running.delete(key))
      running.set(key, started)
      return started
    },
  }
}
