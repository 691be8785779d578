import type { Clock } from '../util/clock.js'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import type { Algorithm } from './algorithms.js'
import type { ProtectedHeader } from './compact-jws.js'
import { fetchJson } from './fetch-json.js'
import type { FetchLimits } from './fetch-json.js'
import { parseJwkSet } from './jwk-set.js'
import type { CandidateKeys, KeySource } from './key-ring.js'
import { isSameKey } from './keys.js'
import type { AccessTokenKey } from './keys.js'

/** Where an issuer publishes its keys. */
export interface RemoteKeySetConfig {
  readonly issuer: string
  /** The address of its JWK Set; found by OpenID discovery if it is not given. Http only for an issuer on http. */
  readonly jwksUri?: string | undefined
  readonly algorithms: readonly Algorithm[]
}

/** The keys that an issuer publishes. */
export interface RemoteKeySet extends KeySource {
  /** Stops reading them. */
  close: () => void
}

const LIMITS = { timeoutMs: 5_000, maxBytes: 512 * 1024 }
/** Age at which the set is read again, in the background. */
const REFRESH_MS = 10 * 60 * 1000
/** Least time between two attempts, whatever came of the first. */
const COOLDOWN_MS = 30 * 1000
/** How long known keys serve while nothing can be fetched. */
const MAX_STALE_MS = 24 * 60 * 60 * 1000
/** Keys of one name and algorithm that are tried. */
const MAX_CANDIDATES = 2

/**
 * Creates the set. Nothing is fetched before the first token. A token with a known `kid` never waits; unknown ones
 * share one attempt, and cannot cause another within 30 s, nor lock out a key that is known.
 */
export function createRemoteKeySet(config: RemoteKeySetConfig, events: Events, clock: Clock): RemoteKeySet {
  let keys: readonly AccessTokenKey[] = []
  let ignored = ''
  let loadedAt = -Infinity
  let attemptedAt = -Infinity
  let lastFailed = true
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  /** One attempt at a time, and one in 30 s. Never rejects. */
  function refresh(): Promise<void> {
    if (running) return running
    if (clock.monotonic() - attemptedAt < COOLDOWN_MS) return Promise.resolve()
    attemptedAt = clock.monotonic()
    running = attempt().finally(() => (running = undefined))
    return running
  }

  async function attempt(): Promise<void> {
    try {
      const parsed = parseJwkSet(await fetchSet(config), config.algorithms)
      take(parsed.keys)
      warnOfIgnored(parsed.ignored)
      loadedAt = clock.monotonic()
      lastFailed = false
    } catch (error) {
      lastFailed = true
      events.emit('key_set_failed', { issuer: config.issuer, error: error as Error })
      dropIfStale()
    }
  }

  /** Keys that stay keep their object, which cached copies point at; what is gone takes its copies along. */
  function take(next: readonly AccessTokenKey[]): void {
    const before = keys
    keys = next.map(key => before.find(known => isSameKey(known, key)) ?? key)
    for (const key of before) key.retired = !keys.includes(key)
  }

  function dropIfStale(): void {
    if (clock.monotonic() - loadedAt >= MAX_STALE_MS) take([])
  }

  function warnOfIgnored(reasons: readonly string[]): void {
    const summary = reasons.join(' ')
    if (summary !== ignored && summary !== '') {
      events.warn({ code: 'key_ignored', message: `Keys of ${config.issuer} are ignored. ${summary}` })
    }
    ignored = summary
  }

  function candidates(header: ProtectedHeader): CandidateKeys | undefined {
    const fit = keys.filter(key => key.alg === header.alg && key.kid === (header.kid ?? key.kid))
    const [first, ...others] = fit.slice(0, MAX_CANDIDATES)
    // Without a name there must be no choice.
    return first && (header.kid !== undefined || others.length === 0) ? [first, ...others] : undefined
  }

  return {
    find(header) {
      // RFC 8725 3.1: no set could hold a key for it, so nobody is asked.
      if (!config.algorithms.some(alg => alg === header.alg)) throw unknownKey()
      timer ??= setInterval(() => void refresh(), REFRESH_MS).unref()
      dropIfStale()
      return candidates(header)
    },
    async load(header) {
      await refresh()
      const found = candidates(header)
      if (found) return found
      throw lastFailed ? unavailable() : unknownKey()
    },
    close() {
      clearInterval(timer)
    },
  }
}

async function fetchSet({ issuer, jwksUri }: RemoteKeySetConfig): Promise<unknown> {
  const limits = { ...LIMITS, issuer }
  return fetchJson(jwksUri ?? (await discover(issuer, limits)), limits)
}

/** OpenID Connect Discovery 1.0, sections 4.1 and 4.3. */
async function discover(issuer: string, limits: FetchLimits): Promise<string> {
  const document = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, limits)
  const { issuer: stated, jwks_uri: jwksUri } = (document ?? {}) as Record<string, unknown>
  if (stated !== issuer) throw new Error('The discovered configuration is of another issuer.')
  if (typeof jwksUri !== 'string') throw new Error('The discovered configuration has no jwks_uri.')
  return jwksUri
}

function unknownKey(): CustomUserDataError {
  return new CustomUserDataError(
    'invalid_token',
    'The access token is signed by a key that its issuer does not publish.',
  )
}

function unavailable(): CustomUserDataError {
  return new CustomUserDataError('keys_unavailable', 'The keys of the issuer could not be fetched.')
}
