import type { AccountName } from './account-name.js'
import type { AccountAttempt } from './attempt-documents.js'
import type { Refusal } from './attempt-store.js'
import type { LoginDigests } from './login-digests.js'

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
  /** The spelling that was checked: a success forgets only failures with the same spelling. */
  name: AccountName
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
