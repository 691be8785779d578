import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../util/clock.js'
import { toClientNetwork } from '../util/client-address.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { foldAccountName } from './account-name.js'
import type { AccountName } from './account-name.js'
import type { AccountAttempt, AttemptLimits } from './attempt-documents.js'
import { toUncounted } from './attempt-store.js'
import type { AttemptStore, Refusal } from './attempt-store.js'
import type { CountCorrections } from './count-corrections.js'
import type { TriedAccount } from './current-attempt.js'

/**
 * The source of an account's name: `given` by the team's option `account`, or `guessed` from the fields of the body. A
 * guessed name may belong to another account than the account whose credentials are checked.
 */
export type NameSource = 'given' | 'guessed'

/** The parts that all attempts of one instance share. */
interface AttemptParts {
  readonly config: AttemptLimits
  readonly store: AttemptStore
  readonly corrections: CountCorrections
  readonly timeoutMs: number
  readonly events: Events
  readonly clock: Clock
}

/** An account in whose counts the attempt was counted. */
interface CountedAccount {
  readonly attempt: AccountAttempt
  /** Digest of the spelling: a success forgets only failures with the same spelling. */
  spelling: string
  /** `tried`: the password is being checked. `proved`: the password was right. `unsure`: one of several guesses. */
  source: NameSource | 'unsure' | 'tried' | 'proved'
  /** Whether the account logged in from this address before; false until MongoDB has answered. */
  isFromKnownAddress: boolean
}

/** One attempt to log in. It remembers what it has counted, so that the outcome can correct the counts. */
export class LoginAttempt {
  readonly #parts: AttemptParts
  readonly #address: string | undefined
  /** All clients without an address share one key, which has no limit. */
  readonly #addressKey: string
  #accounts = new Map<string, CountedAccount>()
  /** Running counts that `countTried()` has begun, by account. */
  readonly #tries = new Map<string, Promise<void>>()
  /** The end of the window in which the address was counted. */
  #window: Date | undefined
  #isOver = false
  #isAnonymous = true

  constructor(parts: AttemptParts, address: string | undefined) {
    this.#parts = parts
    this.#address = address
    this.#addressKey = digest(toClientNetwork(address) ?? '')
  }

  /**
   * Counts the attempt before its credentials are checked, so that parallel guesses cannot all pass. If one count refuses
   * the attempt, it is taken out of the other counts, because the client has learned nothing about the password.
   *
   * @throws `too_many_attempts`; `credentials_unavailable` if nothing can be counted; `foreign_collection`
   */
  async count(names: readonly AccountName[], source: NameSource): Promise<void> {
    // Two spellings of one name are two guesses, because only one of them is the account that logs in.
    const isUnsure = source === 'guessed' && new Set(names.map(toSpelling)).size > 1
    await this.#count(names, isUnsure ? 'unsure' : source)
  }

  /** Counts an account before its password is checked, unless it was counted already. */
  async countTried(name: AccountName): Promise<TriedAccount> {
    if (this.#isOver) {
      const message = 'The login was answered before its password was checked.'
      throw new CustomUserDataError('credentials_unavailable', message)
    }
    const key = toAccountKey(name)
    const counting =
      this.#tries.get(key) ?? (this.#accounts.has(key) ? undefined : this.#count([name], 'tried'))
    if (counting) this.#tries.set(key, counting)
    await counting
    const account = this.#accounts.get(key)
    if (account && account.source !== 'given') account.source = 'tried'
    return {
      isFromKnownAddress: account?.isFromKnownAddress === true,
      reportRight() {
        if (!account) return
        account.source = 'proved'
        account.spelling = toSpelling(name)
      },
    }
  }

  /** Whether no account was counted, so that guesses are limited by the address alone. */
  get isAnonymous(): boolean {
    return this.#isAnonymous
  }

  /**
   * Takes the attempt out of all counts. If it is certain which account has logged in, its failures in this spelling are
   * forgotten, and the address becomes a known address. Returns `unsure` if the login named several accounts. The answer
   * does not wait for MongoDB.
   */
  succeeded(): 'unsure' | undefined {
    const { store, clock } = this.#parts
    const now = new Date(clock.now())
    this.#isOver = true
    const { accounts, window } = this.#takeCounted()
    const isAlone = accounts.length === 1
    const certain = accounts.filter(
      ([, { source }]) => source === 'given' || source === 'proved' || (source === 'guessed' && isAlone),
    )
    const others = accounts.filter(account => !certain.includes(account))
    void this.#correct(accounts, async () => {
      await Promise.all([
        window && store.giveBackAddress(this.#addressKey, window),
        ...certain.map(([key, { attempt, spelling }]) =>
          store.succeedForAccount(key, { ...attempt, spelling }, now),
        ),
        ...others.map(([key, { attempt }]) => store.giveBackAccount(key, attempt)),
      ])
    })
    return accounts.length > 0 && certain.length === 0 ? 'unsure' : undefined
  }

  /**
   * Settles an attempt that failed. Wrong credentials stay counted. A failure of MongoDB or of this package is taken out of
   * the counts. A failure of the team's callback is taken out too, but only a few times: the callback may throw for a wrong
   * password. The answer does not wait for MongoDB.
   */
  failed(error: unknown): void {
    const { store } = this.#parts
    this.#isOver = true
    const { accounts, window } = this.#takeCounted()
    const answer = asCustomUserDataError(error)
    if (answer && answer.status < 500) return
    const isCallback = !answer || answer.code === 'callback_failed'
    void this.#correct(accounts, async () => {
      if (!window) return
      if (!isCallback) await store.giveBackAddress(this.#addressKey, window)
      else if (!(await store.giveBackAddressOfFailedCallback(this.#addressKey, window))) return
      await Promise.all(accounts.map(([key, { attempt }]) => store.giveBackAccount(key, attempt)))
    })
  }

  async #count(names: readonly AccountName[], source: CountedAccount['source']): Promise<void> {
    const refusals = await withDeadline(this.#parts.timeoutMs, async signal => {
      // Independent counts are sent together, so that a login waits for one round trip.
      const counts = [this.#countAddress(), ...names.map(name => this.#countAccount(name, source))]
      const outcomes = await Promise.allSettled(counts)
      const found = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? (outcome.value ?? []) : []))
      const failed = outcomes.find(outcome => outcome.status === 'rejected')
      // After the deadline the login is answered with 503, which does not count as a failed login.
      if (failed || found.length > 0 || signal.aborted) await this.#giveBack()
      if (failed) throw failed.reason
      return found
    }).catch((cause: unknown) => {
      throw toUncounted(cause)
    })
    if (refusals.length > 0) throw this.#refuse(refusals)
  }

  async #countAddress(): Promise<Refusal | undefined> {
    if (this.#window) return undefined
    const { config, store, corrections, clock } = this.#parts
    await corrections.settled(this.#addressKey)
    const limit = this.#address === undefined ? Infinity : config.addressFailures
    const windowMs = config.windowSeconds * 1000
    const counted = await store.countFromAddress(this.#addressKey, new Date(clock.now()), limit, windowMs)
    if ('limit' in counted) return counted
    this.#window = counted
    return undefined
  }

  async #countAccount(name: AccountName, source: CountedAccount['source']): Promise<Refusal | undefined> {
    const { config, store, corrections, clock } = this.#parts
    const key = toAccountKey(name)
    if (this.#accounts.has(key)) return undefined
    const spelling = toSpelling(name)
    const attempt = {
      id: randomBytes(12).toString('base64url'),
      address: digest(`${this.#addressKey} ${key}`),
      canBeKnown: this.#address !== undefined,
      spelling,
    }
    const account: CountedAccount = { attempt, spelling, source, isFromKnownAddress: false }
    this.#accounts.set(key, account)
    this.#isAnonymous = false
    await corrections.settled(key)
    const { refusal, isKnown } = await store.countForAccount(key, attempt, new Date(clock.now()), config)
    account.isFromKnownAddress = isKnown
    // A full count took nothing, so there is nothing to give back.
    if (refusal) this.#accounts.delete(key)
    return refusal
  }

  /** Also takes back counts without an answer from MongoDB: removing an entry that does not exist changes nothing. */
  async #giveBack(): Promise<void> {
    const { store } = this.#parts
    const { accounts, window } = this.#takeCounted()
    await this.#correct(accounts, async () => {
      await Promise.all([
        window && store.giveBackAddress(this.#addressKey, window),
        ...accounts.map(([key, { attempt }]) => store.giveBackAccount(key, attempt)),
      ])
    })
  }

  /** The counts that are not settled yet. The caller must settle them, because they are forgotten here. */
  #takeCounted() {
    const counted = { accounts: [...this.#accounts], window: this.#window }
    this.#accounts = new Map()
    this.#window = undefined
    return counted
  }

  #correct(accounts: Iterable<readonly [string, unknown]>, operation: () => Promise<void>): Promise<void> {
    const keys = Array.from(accounts, ([key]) => key)
    return this.#parts.corrections.run([this.#addressKey, ...keys], operation)
  }

  #refuse(refusals: readonly Refusal[]): CustomUserDataError {
    const { clock, events } = this.#parts
    const [{ limit, until }] = refusals.toSorted((a, b) => b.until.getTime() - a.until.getTime()) as [Refusal]
    const retryAfterSeconds = Math.max(1, Math.ceil((until.getTime() - clock.now()) / 1000))
    events.emit('throttled', { limit, address: this.#address, retryAfterSeconds })
    const error = new CustomUserDataError('too_many_attempts', 'There were too many attempts to log in.')
    error.headers['Retry-After'] = String(retryAfterSeconds)
    return error
  }
}

/** The key of an account's counts. It is a digest, so that MongoDB does not show who tried to log in. */
export function toAccountKey(name: AccountName): string {
  return digest(foldAccountName(name))
}

/** The digest of a spelling. It is made from JSON, because an app may distinguish the number 5 from the text "5". */
function toSpelling(name: AccountName): string {
  return digest(typeof name === 'bigint' ? `${name}n` : JSON.stringify(name))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
