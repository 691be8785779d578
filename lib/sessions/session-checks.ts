import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { AccessTokenClaims } from '../types.js'
import type { RequireActive } from './token-status.js'

/**
 * Reads now and then whether access tokens in use are revoked, where the team asks for it: the session of our own token,
 * the record of a trusted issuer's user.
 */
export interface SessionChecks {
  /** Whether the token is to be checked before it is served. */
  isDue: (userId: string, claims: AccessTokenClaims) => boolean
  /** Checks a token. Rejects with `invalid_token` where it is revoked, or with `sessions_unavailable`. */
  check: (userId: string, claims: AccessTokenClaims) => Promise<void>
}

/** Checks that are remembered; with more tokens in use than this they are checked more often. */
const MAX_REMEMBERED = 100_000

/** Where nothing is checked. */
const NO_CHECKS: SessionChecks = { isDue: () => false, check: () => Promise.resolve() }

/** Creates the checks: every `intervalMs`, or never where it is `undefined`. */
export function createSessionChecks(
  intervalMs: number | undefined,
  ownIssuer: string | undefined,
  requireActive: RequireActive,
  clock: Clock,
): SessionChecks {
  if (intervalMs === undefined) return NO_CHECKS
  const checkedAt = new LRUCache<string, number>({ max: MAX_REMEMBERED })
  const running = new Map<string, Promise<void>>()

  /** What tokens share that are judged alike; `undefined` for our own token without a session. */
  function keyOf(userId: string, { iss, sid, iat }: AccessTokenClaims): string | undefined {
    return iss === ownIssuer ? sid : `${iat ?? 0} ${userId}`
  }

  async function check(key: string, userId: string, claims: AccessTokenClaims): Promise<void> {
    const startedAt = clock.monotonic()
    await requireActive(userId, claims)
    checkedAt.set(key, startedAt)
  }

  return {
    isDue(userId, claims) {
      const key = keyOf(userId, claims)
      if (key === undefined) return false
      const last = checkedAt.get(key)
      return last === undefined || clock.monotonic() - last >= intervalMs
    },
    check(userId, claims) {
      const key = keyOf(userId, claims) ?? ''
      // With an interval of 0 a check that is under way may have begun before the revocation that counts.
      const shared = intervalMs === 0 ? undefined : running.get(key)
      if (shared) return shared
      const started = check(key, userId, claims).finally(() => running.delete(key))
      running.set(key, started)
      return started
    },
  }
}
