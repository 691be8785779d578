import { randomBytes } from 'node:crypto'
import type { Clock } from '../util/clock.js'
import { toClientNetwork } from '../util/client-address.js'
import { withDeadline } from '../util/deadline.js'
import { asCustomUserDataError, CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { foldAccountName } from './account-name.js'
import type { AccountName } from './account-name.js'
import type { AttemptLimits } from './attempt-documents.js'
import { toUncounted } from './attempt-store.js'
import type { AttemptStore } from './attempt-store.js'
import type { CountCorrections } from './count-corrections.js'
import { isInForce, toForgotten, toNormalized } from './counted-account.js'
import type { CountedAccount, Ledger, LedgerRefusal, NameSource } from './counted-account.js'
import type { TriedAccount } from './current-attempt.js'
import type { AllLoginDigests } from './login-digests.js'

/** The parts that all attempts of one instance share. */
interface AttemptParts {
  readonly config: AttemptLimits
  readonly store: AttemptStore
  readonly corrections: CountCorrections
  /** One for each session secret, in the order of the secrets. */
  readonly digests: AllLoginDigests
  readonly timeoutMs: number
  readonly events: Events
  readonly clock: Clock
}

/** The client that tries to log in. */
export interface AttemptClient {
  readonly address: string | undefined
  /** The accounts of the login, as events name them. */
  readonly accounts: () => readonly string[]
}

/** One attempt to log in. It remembers what it has counted, so that the outcome can correct the counts. */
export class LoginAttempt {
  readonly #parts: AttemptParts
  readonly #client: AttemptClient
  readonly #ledgers: readonly Ledger[]
  /** By the name as it is counted. */
  #accounts = new Map<string, CountedAccount>()
  /** Running counts that `countTried()` has begun, by the name as it is counted. */
  readonly #tries = new Map<string, Promise<void>>()
  /** The ends of the windows in which the address was counted. */
  #windows = new Map<Ledger, Date>()
  /** The errors that this attempt threw and told by the event `throttled`. */
  readonly #refusals = new WeakSet<object>()
  #isOver = false
  #isAnonymous = true

  constructor(parts: AttemptParts, client: AttemptClient) {
    this.#parts = parts
    this.#client = client
    const network = toClientNetwork(client.address) ?? ''
    this.#ledgers = parts.digests().map(digests => ({ digests, addressKey: digests.network(network) }))
  }

  /**
   * Counts the attempt before its credentials are checked, so that parallel guesses cannot all pass. If one count refuses
   * the attempt, it is taken out of the other counts, because the client has learned nothing about the password.
   *
   * @throws `too_many_attempts`; `credentials_unavailable` if nothing can be counted; `foreign_collection`
   */
  async count(names: readonly AccountName[], source: NameSource): Promise<void> {
    // Two spellings of one name are two guesses, because only one of them is the account that logs in.
    const isUnsure = source === 'guessed' && new Set(names).size > 1
    await this.#count(names, isUnsure ? 'unsure' : source)
  }

  /** Counts an account before its password is checked, unless it was counted already. */
  async countTried(name: AccountName): Promise<TriedAccount> {
    if (this.#isOver) {
      const message = 'The login was answered before its password was checked.'
      throw new CustomUserDataError('credentials_unavailable', message)
    }
    const folded = foldAccountName(name)
    const counting =
      this.#tries.get(folded) ?? (this.#accounts.has(folded) ? undefined : this.#count([name], 'tried'))
    if (counting) this.#tries.set(folded, counting)
    await counting
    const account = this.#accounts.get(folded)
    if (account && account.source !== 'given') account.source = 'tried'
    return {
      isFromKnownAddress: account?.isFromKnownAddress === true,
      reportRight(storedName, isNormalized) {
        if (!account) return
        account.source = 'proved'
        account.name = storedName
        account.isNormalized = isNormalized
      },
    }
  }

  /** Whether this attempt threw the error because there were too many attempts. */
  hasThrown(error: object): boolean {
    return this.#refusals.has(error)
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
    const { accounts, windows } = this.#takeCounted()
    const isAlone = accounts.length === 1
    const certain = accounts.filter(
      ({ source }) => source === 'given' || source === 'proved' || (source === 'guessed' && isAlone),
    )
    const others = accounts.filter(account => !certain.includes(account))
    void this.#correct(accounts, async () => {
      await Promise.all([
        ...windows.map(([{ addressKey }, window]) => store.giveBackAddress(addressKey, window)),
        ...certain.flatMap(account =>
          Array.from(account.entries, ([ledger, { key, attempt }]) =>
            store.succeedForAccount(key, attempt, toForgotten(ledger, account), now),
          ),
        ),
        ...others.flatMap(account => this.#giveBackAccount(account)),
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
    const { accounts, windows } = this.#takeCounted()
    const answer = asCustomUserDataError(error)
    if (answer && answer.status < 500) return
    const isCallback = !answer || answer.code === 'callback_failed'
    const giveBack = async (ledger: Ledger, window: Date): Promise<void> => {
      const { addressKey } = ledger
      if (!isCallback) await store.giveBackAddress(addressKey, window)
      else if (!(await store.giveBackAddressOfFailedCallback(addressKey, window))) return
      await Promise.all(accounts.flatMap(account => this.#giveBackAccount(account, ledger)))
    }
    void this.#correct(accounts, async () => {
      await Promise.all(windows.map(([ledger, window]) => giveBack(ledger, window)))
    })
  }

  /**
   * Takes the attempt out of all counts. Never rejects. Also takes back counts without an answer from MongoDB, because removing
   * an entry that does not exist changes nothing.
   */
  async giveBack(): Promise<void> {
    const { store } = this.#parts
    const { accounts, windows } = this.#takeCounted()
    await this.#correct(accounts, async () => {
      await Promise.all([
        ...windows.map(([{ addressKey }, window]) => store.giveBackAddress(addressKey, window)),
        ...accounts.flatMap(account => this.#giveBackAccount(account)),
      ])
    })
  }

  async #count(names: readonly AccountName[], source: CountedAccount['source']): Promise<void> {
    const refusals = await withDeadline(this.#parts.timeoutMs, async signal => {
      // Independent counts are sent together, so that a login waits for one round trip.
      const counts = this.#ledgers.flatMap(ledger => [
        this.#countAddress(ledger),
        ...names.map(name => this.#countAccount(ledger, name, source)),
      ])
      const outcomes = await Promise.allSettled(counts)
      const found = outcomes
        .flatMap(outcome => (outcome.status === 'fulfilled' ? (outcome.value ?? []) : []))
        .filter(isInForce)
      // A full count took nothing, so there is nothing to give back.
      for (const { account, ledger } of found) account?.entries.delete(ledger)
      const failed = outcomes.find(outcome => outcome.status === 'rejected')
      // After the deadline the login is answered with 503, which does not count as a failed login.
      if (failed || found.length > 0 || signal.aborted) await this.giveBack()
      if (failed) throw failed.reason
      return found
    }).catch((cause: unknown) => {
      throw toUncounted(cause)
    })
    if (refusals.length > 0) throw this.#refuse(refusals)
  }

  async #countAddress(ledger: Ledger): Promise<LedgerRefusal | undefined> {
    if (this.#windows.has(ledger)) return undefined
    const { config, store, corrections, clock } = this.#parts
    const { addressKey } = ledger
    await corrections.settled(addressKey)
    const limit = this.#client.address === undefined ? Infinity : config.addressFailures
    const windowMs = config.windowSeconds * 1000
    const counted = await store.countFromAddress(addressKey, new Date(clock.now()), limit, windowMs)
    if ('limit' in counted) return { ...counted, ledger, account: undefined }
    this.#windows.set(ledger, counted)
    return undefined
  }

  async #countAccount(
    ledger: Ledger,
    name: AccountName,
    source: CountedAccount['source'],
  ): Promise<LedgerRefusal | undefined> {
    const { config, store, corrections, clock } = this.#parts
    const account = this.#account(name, source)
    if (account.entries.has(ledger)) return undefined
    const { digests, addressKey } = ledger
    const key = digests.account(name)
    const attempt = {
      id: randomBytes(12).toString('base64url'),
      address: digests.pair(addressKey, key),
      canBeKnown: this.#client.address !== undefined,
      spelling: digests.spelling(name),
      normalized: digests.spelling(toNormalized(name)),
    }
    account.entries.set(ledger, { key, attempt })
    await corrections.settled(key)
    const { refusal, isKnown } = await store.countForAccount(key, attempt, new Date(clock.now()), config)
    if (isKnown) account.isFromKnownAddress = true
    return refusal && { ...refusal, ledger, account }
  }

  #account(name: AccountName, source: CountedAccount['source']): CountedAccount {
    const folded = foldAccountName(name)
    const known = this.#accounts.get(folded)
    if (known) return known
    const account: CountedAccount = {
      entries: new Map(),
      name,
      isNormalized: false,
      source,
      isFromKnownAddress: false,
    }
    this.#accounts.set(folded, account)
    this.#isAnonymous = false
    return account
  }

  /** Takes the attempt out of the counts of an account: of one ledger, or of all ledgers. */
  #giveBackAccount({ entries }: CountedAccount, only?: Ledger): Promise<void>[] {
    return Array.from(entries).flatMap(([ledger, { key, attempt }]) =>
      only === undefined || ledger === only ? [this.#parts.store.giveBackAccount(key, attempt)] : [],
    )
  }

  /** The counts that are not settled yet. The caller must settle them, because they are forgotten here. */
  #takeCounted() {
    const counted = { accounts: [...this.#accounts.values()], windows: [...this.#windows] }
    this.#accounts = new Map()
    this.#windows = new Map()
    return counted
  }

  #correct(accounts: readonly CountedAccount[], operation: () => Promise<void>): Promise<void> {
    const keys = accounts.flatMap(({ entries }) => Array.from(entries.values(), ({ key }) => key))
    const addressKeys = this.#ledgers.map(({ addressKey }) => addressKey)
    return this.#parts.corrections.run([...addressKeys, ...keys], operation)
  }

  #refuse(refusals: readonly LedgerRefusal[]): CustomUserDataError {
    const { clock, events } = this.#parts
    const [{ limit, until }] = refusals.toSorted((a, b) => b.until.getTime() - a.until.getTime()) as [
      LedgerRefusal,
    ]
    const retryAfterSeconds = Math.max(1, Math.ceil((until.getTime() - clock.now()) / 1000))
    const { address, accounts } = this.#client
    events.emit('throttled', { limit, accounts: accounts(), address, retryAfterSeconds })
    const error = new CustomUserDataError('too_many_attempts', 'There were too many attempts to log in.')
    error.headers['Retry-After'] = String(retryAfterSeconds)
    this.#refusals.add(error)
    return error
  }
}
