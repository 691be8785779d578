import type { AccountName } from './account-name.js'
import type { AccountAttempt, ForgottenFailures } from './attempt-documents.js'
import type { Refusal } from './attempt-store.js'
import type { LoginDigests } from './login-digests.js'
import { normalizeUsername } from './user-finder.js'

/**
 * The source of an account's name: `given` by the team's option `account`, or `guessed` from the fields of the body. A
 * guessed name may belong to another account than the account whose credentials are checked.
 */
export type NameSource = 'given' | 'guessed'

/**
 * The counts under the digests of one session secret. An attempt is counted under every secret: while secrets are replaced,
 * each two processes have one in common. So no limit is doubled, and no lock and no known address is forgotten.
 */
export interface Ledger {
  readonly digests: LoginDigests
  /** All clients without an address share one key, which has no limit. */
  readonly addressKey: string
}

/** The entry of an attempt in one of the counts of an account. */
interface AccountEntry {
  readonly key: string
  readonly attempt: AccountAttempt
}

/** An account in whose counts the attempt was counted. */
export interface CountedAccount {
  readonly entries: Map<Ledger, AccountEntry>
  /** The spelling that was checked, or the name as it is stored: a success forgets only failures of this name. */
  name: AccountName
  /** Whether the account was searched by its normalized name first. */
  isNormalized: boolean
  /** `tried`: the password is being checked. `proved`: the password was right. `unsure`: one of several guesses. */
  source: NameSource | 'unsure' | 'tried' | 'proved'
  /** Whether the account logged in from this address before; false until MongoDB has answered. */
  isFromKnownAddress: boolean
}

/** A refusal by a count of an account, or by the count of the address. */
export interface LedgerRefusal extends Refusal {
  readonly ledger: Ledger
  readonly account: CountedAccount | undefined
}

/** The daily count of strangers stops no address that is known under another secret: the secret may be new here. */
export function isInForce({ limit, account }: LedgerRefusal): boolean {
  return limit !== 'account' || account?.isFromKnownAddress !== true
}

/** Names that are no texts have one form only. */
export function toNormalized(name: AccountName): AccountName {
  return typeof name === 'string' ? normalizeUsername(name) : name
}

/**
 * The failures that a login forgets. If "bob" is stored, they are those of all spellings whose normalized form is "bob". If only
 * "Bob" is stored, they are those of "Bob" and "bob", because a login with "bob" finds nobody else. Failures of "BOB" may belong
 * to another user.
 */
export function toForgotten({ digests }: Ledger, { name, isNormalized }: CountedAccount): ForgottenFailures {
  const spelling = digests.spelling(name)
  if (!isNormalized) return { spellings: [spelling], normalized: null }
  return { spellings: [spelling, digests.spelling(toNormalized(name))], normalized: spelling }
}
