import type { Collection, Document, Filter } from 'mongodb'
import { withDeadline } from '../util/deadline.js'
import type { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { toDatabaseError } from '../mongo/database-errors.js'
import { toExactOperations } from '../mongo/exact-operations.js'
import { findOneAndUpdate } from '../mongo/find-one-and-update.js'
import type { EnsureLimits, IndexState } from '../mongo/indexes.js'
import { createOwnCollection, MARK } from '../mongo/own-collection.js'
import { hasCode, SERVER_ERRORS } from '../mongo/server-errors.js'
import { toIssuerKey } from '../sessions/session-scope.js'
import { countForAccount, countFromAddress, LOGIN_ATTEMPT, succeedForAccount } from './attempt-documents.js'
import type {
  AccountAttempt,
  AccountDocument,
  AddressDocument,
  AttemptLimits,
  ForgottenFailures,
  FullCount,
} from './attempt-documents.js'

/** The count that refused an attempt because it is full, and the time until which it refuses. */
export interface Refusal {
  readonly limit: FullCount
  readonly until: Date
}

/** The counts of one account, as they are stored. */
export interface StoredAttempts {
  /** Failures that are stored. Each counts for 15 minutes by default, or for a day. */
  readonly failures: number
  /** Addresses from which the account logged in within 90 days, stored as keyed digests. */
  readonly knownAddresses: number
  /** When MongoDB removes the counts, up to a minute later. */
  readonly expiresAt: Date
}

/** The indexes of the collection of failed logins. */
export const LOGIN_ATTEMPT_INDEXES = [
  {
    fields: ['expiresAt'],
    options: {
      name: 'custom_user_data_login_attempt_expiry',
      expireAfterSeconds: 0,
      // Names the mark's value, so that this index and the index of sessions can be in one collection.
      partialFilterExpression: { [MARK]: LOGIN_ATTEMPT },
    },
  },
]

/** Attempts of several processes may insert the same document at once: one succeeds, and the others then find it. */
const MOST_TRIES = 5
/** How many failures of the team's callbacks are taken out of an address's count in one window. */
const MOST_GIVEN_BACK = 3

/** Creates the store. `find` gives the collection. No command is sent to MongoDB before the first login or `ready()`. */
export function createAttemptStore<T extends Document>(
  scope: AttemptScope,
  find: () => Promise<Collection<T>>,
  events: Events,
): AttemptStore {
  return new AttemptStore(scope, find as unknown as () => Promise<Collection>, events)
}

interface AttemptScope {
  readonly issuer: string
  /** Milliseconds that an operation may take. */
  readonly timeoutMs: number
}

/** Failed logins in MongoDB, for all processes. */
export class AttemptStore {
  readonly #timeoutMs: number
  /** Accounts of another issuer belong to other people, even if they have the same names. */
  readonly #issuerKey: string
  readonly #collection: ReturnType<typeof createOwnCollection>

  constructor({ issuer, timeoutMs }: AttemptScope, find: () => Promise<Collection>, events: Events) {
    this.#timeoutMs = timeoutMs
    this.#issuerKey = toIssuerKey(issuer)
    this.#collection = createOwnCollection(
      {
        optionName: 'loginAttemptCollection',
        indexes: LOGIN_ATTEMPT_INDEXES,
        missingIndexCode: 'login_attempt_index_missing',
        timeoutMs,
      },
      find,
      events,
    )
  }

  /** Makes the index, which only cleans up. No login waits for it: `ready()` or the first load makes it. */
  ensureIndexes(limits: EnsureLimits): Promise<IndexState> {
    return this.#collection.ensureIndexes(limits)
  }

  /** The collection, without the check that it holds no document of the app. */
  collection(): Promise<Collection> {
    return this.#collection.find()
  }

  /** Counts an attempt from an address; resolves to its window, or to the refusal. */
  async countFromAddress(
    address: string,
    now: Date,
    limit: number,
    windowMs: number,
  ): Promise<Date | Refusal> {
    const change = countFromAddress(now, limit, windowMs)
    const { wasCounted, expiresAt } = await this.#count<AddressDocument>(this.#addressId(address), change)
    return wasCounted ? expiresAt : { limit: 'address', until: expiresAt }
  }

  /** Counts an attempt for an account; resolves to the refusal, if there is one, and to whether the address is known. */
  async countForAccount(
    account: string,
    attempt: AccountAttempt,
    now: Date,
    limits: AttemptLimits,
  ): Promise<{ readonly refusal: Refusal | undefined; readonly isKnown: boolean }> {
    const change = countForAccount(now, attempt, limits)
    const { last } = await this.#count<AccountDocument>(this.#accountId(account), change)
    const { full, until, isKnown } = last
    return { refusal: full === null || until === null ? undefined : { limit: full, until }, isKnown }
  }

  /** Takes one failure out of an address's count, unless its window is over. */
  async giveBackAddress(address: string, window: Date): Promise<void> {
    const isCounted = { expiresAt: window, failures: { $gt: 0 } }
    const change = { $inc: { failures: -1 } }
    await this.#update<AddressDocument>(this.#addressId(address), change, isCounted)
  }

  /** Takes a failure of a team's callback out of an address's count, a few times per window. Resolves to whether it did. */
  async giveBackAddressOfFailedCallback(address: string, window: Date): Promise<boolean> {
    const isLeft = { expiresAt: window, failures: { $gt: 0 }, givenBack: { $lt: MOST_GIVEN_BACK } }
    const change = { $inc: { failures: -1, givenBack: 1 } }
    return this.#update<AddressDocument>(this.#addressId(address), change, isLeft)
  }

  /** Takes one failure out of an account's counts. */
  async giveBackAccount(account: string, { id }: Pick<AccountAttempt, 'id'>): Promise<void> {
    await this.#update<AccountDocument>(this.#accountId(account), { $pull: { failures: { id } } })
  }

  /** Forgets the failures of an account in some spellings, and makes the address a known address. */
  async succeedForAccount(
    account: string,
    attempt: AccountAttempt,
    forgotten: ForgottenFailures,
    now: Date,
  ): Promise<void> {
    await this.#update<AccountDocument>(this.#accountId(account), succeedForAccount(now, attempt, forgotten))
  }

  /** Forgets all failures of an account. Its known addresses stay known. */
  async forgetAccount(account: string): Promise<void> {
    await this.#inTime(() =>
      this.#update<AccountDocument>(this.#accountId(account), { $set: { failures: [] } }),
    )
  }

  /** The counts of an account; `undefined` if it has none. */
  describeAccount(account: string): Promise<StoredAttempts | undefined> {
    return this.#inTime(async signal => {
      const { read } = toExactOperations(this.#timeoutMs, signal)
      const collection = await this.#open<AccountDocument>()
      const found = await collection.findOne(markedFilter<AccountDocument>(this.#accountId(account)), read)
      if (!found) return undefined
      const { failures, known, expiresAt } = found
      return { failures: failures.length, knownAddresses: known.length, expiresAt }
    })
  }

  /** Removes the counts and the known addresses of an account. Resolves to whether it had any. */
  removeAccount(account: string): Promise<boolean> {
    return this.#inTime(async signal => {
      const { write } = toExactOperations(this.#timeoutMs, signal)
      const filter = markedFilter<AccountDocument>(this.#accountId(account))
      const { deletedCount } = await (await this.#open<AccountDocument>()).deleteOne(filter, write)
      return deletedCount > 0
    })
  }

  #inTime<T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(this.#timeoutMs, operation).catch((cause: unknown) => {
      throw toUncounted(cause)
    })
  }

  #addressId(address: string): string {
    return `address:${this.#issuerKey}:${address}`
  }

  #accountId(account: string): string {
    return `account:${this.#issuerKey}:${account}`
  }

  async #open<D extends Document>(): Promise<Collection<D>> {
    return (await this.#collection.open()) as unknown as Collection<D>
  }

  async #count<D extends Document>(id: string, update: Document[]): Promise<D> {
    const collection = await this.#open<D>()
    const found = await insertingOnce(() =>
      findOneAndUpdate(collection, markedFilter<D>(id), update, {
        ...this.#options(),
        upsert: true,
        returnDocument: 'after',
        projection: { expiresAt: 1, wasCounted: 1, last: 1 },
      }),
    )
    if (found) return found as unknown as D
    throw new Error('MongoDB gave no document for an attempt to log in.')
  }

  async #update<D extends Document>(
    id: string,
    change: Document | Document[],
    condition: Filter<D> = {},
  ): Promise<boolean> {
    const filter = { ...markedFilter<D>(id), ...condition }
    const { matchedCount } = await (await this.#open<D>()).updateOne(filter, change, this.#options())
    return matchedCount > 0
  }

  /**
   * Does not pass the deadline's signal. With it the driver would abandon a command that the server may still run, and that
   * attempt would stay counted.
   */
  #options() {
    const { write } = toExactOperations(this.#timeoutMs, new AbortController().signal)
    return { ...write, signal: undefined as never }
  }
}

/** The error for attempts that cannot be counted. It is a 5xx, so it does not look like a refusal. */
export function toUncounted(cause: unknown): CustomUserDataError {
  return toDatabaseError(cause, {
    code: 'credentials_unavailable',
    message: 'Login attempts cannot be counted.',
  })
}

/** Repeats an upsert after a duplicate key. The server does not repeat it, because the filters also name the mark. */
async function insertingOnce<T>(upsert: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await upsert()
    } catch (error) {
      if (tries === MOST_TRIES || !hasCode(error, SERVER_ERRORS.duplicateKey)) throw error
    }
  }
}

function markedFilter<D extends Document>(id: string): Filter<D> {
  return { _id: id, [MARK]: LOGIN_ATTEMPT } as unknown as Filter<D>
}
