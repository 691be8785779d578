import { AsyncLocalStorage } from 'node:async_hooks'
import type { AccountName } from './account-name.js'

/** An account that was counted for the current login. */
export interface TriedAccount {
  /** Whether the account logged in from the address of this login before. */
  readonly isFromKnownAddress: boolean
  /**
   * Reports that the credentials were right, and the name of the account as it is stored.
   *
   * @param isNormalized whether the account was searched by its normalized name first
   */
  readonly reportRight: (storedName: AccountName, isNormalized: boolean) => void
}

/** Counts an account for the current login, unless logins are not counted. */
type CountAccount = (name: AccountName) => Promise<TriedAccount | undefined>

const NOT_COUNTED: TriedAccount = { isFromKnownAddress: false, reportRight: () => undefined }

/** The login whose credentials are being checked. Functions that the team's callback calls find it here. */
const current = new AsyncLocalStorage<CountAccount | undefined>()

/** Runs the check of credentials, inside which {@link countAccount} counts for this login. */
export function whileVerifying<T>(count: CountAccount, verify: () => T): T {
  return current.run(count, verify)
}

/**
 * Counts an account before its password is checked, also if a function of the team makes the call. Rejects if the account
 * has no attempts left. Outside a login route nothing is counted.
 */
export async function countAccount(name: AccountName): Promise<TriedAccount> {
  return (await current.getStore()?.(name)) ?? NOT_COUNTED
}
