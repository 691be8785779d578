import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { createContextKeeper } from '../util/async-context.js'
import { elapsedMs, momentOf } from '../util/clock.js'
import type { Clock, Moment } from '../util/clock.js'
import type { Algorithm } from './algorithms.js'
import type { ProtectedHeader } from './compact-jws.js'
import { fetchJson } from './fetch-json.js'
import type { FetchLimits } from './fetch-json.js'
import { parseJwkSet } from './jwk-set.js'
import { isSameKey } from './keys.js'
import type { AccessTokenKey, CandidateKeys, KeySource } from './keys.js'

/** The issuer whose keys are fetched. */
export interface RemoteKeySetConfig {
  readonly issuer: string
  /** The address of the JWK Set. Without it, OpenID discovery at `issuer` finds the address. */
  readonly jwksUri?: string | undefined
  readonly algorithms: readonly Algorithm[]
}

const LIMITS = { timeoutMs: 5_000, maxBytes: 512 * 1024 }
/** The set is read again in the background at this interval. */
const REFRESH_MS = 10 * 60 * 1000
/** The least time between two fetches, whether or not the first succeeded. */
const COOLDOWN_MS = 30 * 1000
/** Known keys are used for this long while no fetch succeeds. */
const MAX_STALE_MS = 24 * 60 * 60 * 1000
/** Of several keys with one name and algorithm, this many are tried. */
const MAX_CANDIDATES = 2

/**
 * The keys that a trusted issuer publishes. Nothing is fetched before the first token. A token with a known `kid` never
 * waits. Tokens with unknown `kid`s share one fetch and cannot cause another within 30 s, so nobody can make this process
 * flood the issuer.
 */
export class RemoteKeySet implements KeySource {
  readonly #config: RemoteKeySetConfig
  readonly #events: Events
  readonly #clock: Clock
  readonly #outsideRequests = createContextKeeper()
  #keys: readonly AccessTokenKey[] = []
  #ignored = ''
  #loadedAt: Moment | undefined
  #attemptedAt: Moment | undefined
  #lastFailed = true
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isRemoved = false

  constructor(config: RemoteKeySetConfig, events: Events, clock: Clock) {
    this.#config = config
    this.#events = events
    this.#clock = clock
  }

  find(header: ProtectedHeader): CandidateKeys | undefined {
    if (this.#isRemoved) throw unknownKey()
    // RFC 8725 3.1: the set cannot hold a key for this algorithm, so nothing is fetched.
    if (!this.#config.algorithms.some(alg => alg === header.alg)) throw unknownKey()
    this.#timer ??= this.#outsideRequests(() => setInterval(() => void this.#refresh(), REFRESH_MS).unref())
    this.#dropIfStale()
    return this.#candidates(header)
  }

  async load(header: ProtectedHeader): Promise<CandidateKeys> {
    await this.#refresh()
    // The issuer may have been removed during the fetch.
    if (this.#isRemoved) throw unknownKey()
    const found = this.#candidates(header)
    if (found) return found
    throw this.#lastFailed ? unavailable() : unknownKey()
  }

  /** Stops the fetches in the background. */
  close(): void {
    clearInterval(this.#timer)
  }

  /** Refuses every token of the issuer from now on, also those whose snapshots are cached. */
  remove(): void {
    this.#isRemoved = true
    this.close()
    this.#take([])
  }

  /** One fetch at a time, and one in 30 s. Never rejects. */
  #refresh(): Promise<void> {
    if (this.#running) return this.#running
    if (this.#attemptedAt && elapsedMs(this.#clock, this.#attemptedAt) < COOLDOWN_MS) return Promise.resolve()
    this.#attemptedAt = momentOf(this.#clock)
    this.#running = this.#outsideRequests(() => this.#attempt()).finally(() => (this.#running = undefined))
    return this.#running
  }

  async #attempt(): Promise<void> {
    const { issuer, algorithms } = this.#config
    try {
      const parsed = parseJwkSet(await fetchSet(this.#config), algorithms)
      if (this.#isRemoved) return
      this.#take(parsed.keys)
      this.#warnOfIgnored(parsed.ignored)
      this.#loadedAt = momentOf(this.#clock)
      this.#lastFailed = false
    } catch (error) {
      this.#lastFailed = true
      if (this.#isRemoved) return
      this.#events.emit('key_set_failed', { issuer, error: error as Error })
      this.#dropIfStale()
    }
  }

  /** A key that stays keeps its object, because snapshots refer to it. Snapshots of a removed key are refused. */
  #take(next: readonly AccessTokenKey[]): void {
    const before = this.#keys
    const keys = next.map(key => before.find(known => isSameKey(known, key)) ?? key)
    this.#keys = keys
    for (const key of before) key.retired = !keys.includes(key)
  }

  #dropIfStale(): void {
    if (this.#loadedAt && elapsedMs(this.#clock, this.#loadedAt) >= MAX_STALE_MS) this.#take([])
  }

  /** Warns once for the same reasons, because the set is read every ten minutes. */
  #warnOfIgnored(reasons: readonly string[]): void {
    const summary = reasons.join(' ')
    if (summary !== this.#ignored && summary !== '') {
      const message = `Keys of ${this.#config.issuer} are ignored. ${summary}`
      this.#events.warn({ code: 'key_ignored', message })
    }
    this.#ignored = summary
  }

  #candidates(header: ProtectedHeader): CandidateKeys | undefined {
    const fit = this.#keys.filter(key => key.alg === header.alg && key.kid === (header.kid ?? key.kid))
    const [first, ...others] = fit.slice(0, MAX_CANDIDATES)
    // A token without `kid` is only accepted if one key fits.
    return first && (header.kid !== undefined || others.length === 0) ? [first, ...others] : undefined
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
