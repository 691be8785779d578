import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import { CustomUserDataError } from '../errors.js'
import type { AccessTokenClaims } from '../types.js'
import type { Revocations } from './revocations.js'
import type { SessionStore } from './session-store.js'

/** Looks at the stored session of an access token now and then, where the team asks for it. */
export interface SessionChecks {
  /** Whether the session of a verified token is to be looked at before the token is served. */
  isDue: (claims: AccessTokenClaims) => boolean
  /** Looks at it. Rejects with `invalid_token` where it has ended, or with `sessions_unavailable`. */
  check: (claims: AccessTokenClaims) => Promise<void>
}

/** Sessions whose last look is remembered; beyond it they are looked at more often. */
const MAX_REMEMBERED = 100_000

/** Where sessions are not looked at. */
const NO_CHECKS: SessionChecks = { isDue: () => false, check: () => Promise.resolve() }

/**
 * Creates the checks: every `intervalMs` for each session, or never where it is `undefined`. Other issuers name sessions
 * of their own, of which nothing is known here.
 */
export function createSessionChecks(
  intervalMs: number | undefined,
  ownIssuer: string | undefined,
  store: SessionStore,
  revocations: Revocations,
  clock: Clock,
): SessionChecks {
  if (intervalMs === undefined) return NO_CHECKS
  const lookedAt = new LRUCache<string, number>({ max: MAX_REMEMBERED })
  const running = new Map<string, Promise<void>>()

  async function look(sid: string): Promise<void> {
    const startedAt = clock.monotonic()
    if (await store.find(sid)) {
      lookedAt.set(sid, startedAt)
      return
    }
    revocations.revokeSession(sid)
    throw new CustomUserDataError('invalid_token', 'The session of the access token has ended.')
  }

  return {
    isDue({ iss, sid }) {
      if (sid === undefined || iss !== ownIssuer) return false
      const last = lookedAt.get(sid)
      return last === undefined || clock.monotonic() - last >= intervalMs
    },
    check({ sid = '' }) {
      // With an interval of 0 a look that is under way may have begun before the revocation that counts.
      const shared = intervalMs === 0 ? undefined : running.get(sid)
      if (shared) return shared
      const started = look(sid).finally(() => running.delete(sid))
      running.set(sid, started)
      return started
    },
  }
}
