import { createHash } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import type { RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible'
import { withDeadline } from '../deadline.js'
import { CustomUserDataError } from '../errors.js'
import type { Events, ThrottledEvent } from '../events.js'
import { createIndexCommand, ensureIndex } from '../mongo/indexes.js'
import { PLAIN_BSON } from '../mongo/team-database.js'
import { toClientNetwork } from './address.js'

/** How many failed logins are let through before one is answered with 429. */
export interface LoginThrottleOptions {
  /** For one account from one address, in a window. Default 10. */
  readonly accountAndAddressFailures?: number | undefined
  /** From one address (an IPv6 /64), whatever the account, in a window. Default 100. */
  readonly addressFailures?: number | undefined
  /** How long these failures count, from the first on. Default 900: 15 minutes. */
  readonly windowSeconds?: number | undefined
  /** For one account in a day, from all addresses that it never logged in from. Default and most: 100
   *  (NIST SP 800-63B 3.2.2). */
  readonly accountFailures?: number | undefined
}

/** {@link LoginThrottleOptions}, complete. */
export type LoginThrottleConfig = { readonly [Key in keyof LoginThrottleOptions]-?: number }

/** Who tries to log in. */
export interface LoginAttempt {
  /** The account that the credentials name, if they name one. */
  readonly account: string | undefined
  readonly address: string | undefined
}

/** Counts failed logins, for all processes on one MongoDB. */
export interface LoginThrottle {
  /**
   * Takes one attempt before the credentials are looked at, so that parallel guesses cannot pass together.
   * Rejects with `too_many_attempts`, or with `credentials_unavailable` where nothing can be counted.
   */
  admit: (attempt: LoginAttempt) => Promise<void>
  /** Forgets the account's failures, and knows the address from now on. */
  succeeded: (attempt: LoginAttempt) => Promise<void>
  /** Takes an attempt back that came to nothing by our own trouble. */
  released: (attempt: LoginAttempt) => Promise<void>
}

type Limit = ThrottledEvent['limit']

const COLLECTION = 'login_attempts'
const DAY_SECONDS = 24 * 60 * 60
/** How long an address is known to be one of an account's, in seconds. */
const KNOWN_SECONDS = 90 * DAY_SECONDS

/** Creates the throttle. `openDatabase` is asked on the first login. */
export function createLoginThrottle(
  config: LoginThrottleConfig,
  openDatabase: () => Promise<Db>,
  timeoutMs: number,
  events: Events,
): LoginThrottle {
  let limiters: Promise<Limiters> | undefined

  function open(): Promise<Limiters> {
    limiters ??= createLimiters(config, openDatabase, events).catch((error: unknown) => {
      limiters = undefined
      throw error
    })
    return limiters
  }

  async function run<T>(operation: (limiters: Limiters, signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withDeadline(timeoutMs, async signal => operation(await open(), signal))
    } catch (cause) {
      if (cause instanceof CustomUserDataError) throw cause
      throw new CustomUserDataError('credentials_unavailable', 'Login attempts cannot be counted.', { cause })
    }
  }

  function refuse(limit: Limit, full: RateLimiterRes, { address }: LoginAttempt): CustomUserDataError {
    const retryAfterSeconds = Math.max(1, Math.ceil(full.msBeforeNext / 1000))
    events.emit('throttled', { limit, address, retryAfterSeconds })
    const error = new CustomUserDataError('too_many_attempts', 'There were too many attempts to log in.')
    error.headers['Retry-After'] = String(retryAfterSeconds)
    return error
  }

  return {
    admit: attempt =>
      run(async (limiters, signal) => {
        const keys = toKeys(attempt)
        const taken: Count[] = []
        for (const [limit, key] of toCounts(keys, await isKnown(limiters, keys))) {
          const full = await consume(limiters[limit], key)
          taken.push([limit, key])
          // Counted too late: the login was answered with 503, which is nobody's failure.
          if (signal.aborted) return giveBack(limiters, taken)
          if (full) throw refuse(limit, full, attempt)
        }
      }),
    released: attempt =>
      run(async limiters => {
        const keys = toKeys(attempt)
        // What was not taken is not given back: it would be somebody else's further guess.
        await giveBack(limiters, [...toCounts(keys, await isKnown(limiters, keys))])
      }),
    succeeded: attempt =>
      run(async limiters => {
        const { account, pair, address } = toKeys(attempt)
        if (address !== undefined) await limiters.address.reward(address, 1)
        if (account === undefined || pair === undefined) return
        await Promise.all([limiters.account_and_address.delete(pair), limiters.account.delete(account)])
        await limiters.known.set(pair, 1, KNOWN_SECONDS)
      }),
  }
}

type Limiters = Readonly<Record<Limit | 'known', RateLimiterMongo>>

/** A count that an attempt is part of, and its key there. */
type Count = readonly [Limit, string]

interface Keys {
  readonly account: string | undefined
  readonly address: string | undefined
  readonly pair: string | undefined
}

async function createLimiters(
  config: LoginThrottleConfig,
  openDatabase: () => Promise<Db>,
  events: Events,
): Promise<Limiters> {
  // On the first login: an app without ours does not pay for it when it starts.
  const { RateLimiterMongo } = await import('rate-limiter-flexible')
  const db = await openDatabase()
  await ensureIndexes(db.collection(COLLECTION), events)
  const storeOptions = { ...PLAIN_BSON, readPreference: 'primary' } as const
  const storeClient = { collection: (name: string) => db.collection(name, storeOptions) }
  const create = (keyPrefix: string, points: number, duration: number): RateLimiterMongo =>
    new RateLimiterMongo({
      storeClient,
      tableName: COLLECTION,
      keyPrefix,
      points,
      duration,
      disableIndexesCreation: true,
    })
  return {
    account_and_address: create('pair', config.accountAndAddressFailures, config.windowSeconds),
    account: create('account', config.accountFailures, DAY_SECONDS),
    address: create('address', config.addressFailures, config.windowSeconds),
    known: create('known', 1, KNOWN_SECONDS),
  }
}

const INDEXES = [
  { field: 'key', options: { name: 'login_attempt_key', unique: true } },
  { field: 'expire', options: { name: 'login_attempt_expiry', expireAfterSeconds: 0 } },
] as const

/** Counting is atomic only under the unique index, so it is waited for. Without it guesses are still counted, so that a
 *  team that may not make indexes can log in; the first of many parallel ones may pass together. */
async function ensureIndexes(attempts: Collection, events: Events): Promise<void> {
  for (const { field, options } of INDEXES) {
    const outcome = await ensureIndex(attempts, field, options)
    if (outcome === 'there') continue
    const command = createIndexCommand(COLLECTION, field, options)
    const message = `The index on "${field}" of ${attempts.namespace} could not be made (${outcome}). Please run: ${command}`
    events.warn({ code: 'login_attempt_index_missing', message })
  }
}

/** Whether an account logged in from an address before. */
async function isKnown({ known }: Limiters, { pair }: Keys): Promise<boolean> {
  return pair !== undefined && (await known.get(pair)) !== null
}

/** An account's owner is not locked out by others: the account's own count spares addresses that it logged in from. */
function* toCounts({ account, address, pair }: Keys, isOwn: boolean): Generator<Count> {
  if (address !== undefined) yield ['address', address]
  if (pair !== undefined) yield ['account_and_address', pair]
  if (account !== undefined && !isOwn) yield ['account', account]
}

async function giveBack(limiters: Limiters, counts: readonly Count[]): Promise<void> {
  await Promise.all(counts.map(([limit, key]) => limiters[limit].reward(key, 1)))
}

/** Digests: who tried to log in is nobody's business. */
function toKeys(attempt: LoginAttempt): Keys {
  const account = attempt.account?.toLowerCase().normalize('NFKC')
  const address = toClientNetwork(attempt.address)
  return {
    account: account === undefined ? undefined : digest(account),
    address: address === undefined ? undefined : digest(address),
    pair: account === undefined ? undefined : digest(`${address ?? ''} ${account}`),
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function isResult(thrown: unknown): thrown is RateLimiterRes {
  return typeof thrown === 'object' && thrown !== null && 'msBeforeNext' in thrown
}

/** The full count, or `undefined` where the attempt is let through. */
async function consume(limiter: RateLimiterMongo, key: string): Promise<RateLimiterRes | undefined> {
  try {
    await limiter.consume(key)
    return undefined
  } catch (full) {
    if (isResult(full)) return full
    throw full
  }
}
