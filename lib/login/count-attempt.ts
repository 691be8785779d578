import type { AccountName } from './account-name.js'
import type { LoginThrottle } from './login-throttle.js'

/** An attempt that `countAttempt()` counts. */
export interface AttemptToCount {
  /**
   * The account, as it is typed. A name of its own kind, such as `reset:alice@example.com`, is counted apart from logins.
   * @default undefined: only the address counts
   */
  readonly account?: AccountName | null | undefined
  /**
   * The address of the client, as `req.ip`.
   * @default undefined: only the account counts
   */
  readonly address?: string | null | undefined
}

/** An attempt that was counted. */
export interface CountedAttempt {
  /** Takes the attempt out of the counts again, for example because a code was right. It does not wait for MongoDB. */
  readonly giveBack: () => void
}

/**
 * Counts an attempt in the counts of logins.
 *
 * @param throttle absent if the team limits attempts by other means
 * @throws `too_many_attempts`; `credentials_unavailable` if nothing can be counted; `foreign_collection`
 */
export async function countAttempt(
  { account, address }: AttemptToCount,
  throttle: LoginThrottle | undefined,
  nameAccounts: (names: Iterable<AccountName>) => readonly string[],
): Promise<CountedAttempt> {
  const names = account === undefined || account === null ? [] : [account]
  const attempt = throttle?.begin({ address: address ?? undefined, accounts: () => nameAccounts(names) })
  await attempt?.count(names, 'given')
  return {
    giveBack: () => void attempt?.giveBack(),
  }
}
