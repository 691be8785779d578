import { AsyncLocalStorage } from 'node:async_hooks'
import type { AccountName } from './account-name.js'

/** Counts an account for the current login. Resolves to a function that reports that the credentials were right. */
type CountAccount = (name: AccountName) => Promise<() => void>

/** The login whose credentials are being checked. Functions that the team's callback calls find it here. */
const current = new AsyncLocalStorage<CountAccount | undefined>()

/** Runs the check of credentials, inside which {@link countAccount} counts for this login. */
export function whileVerifying<T>(count: CountAccount | undefined, verify: () => T): T {
  return current.run(count, verify)
}

/**
 * Counts an account before its password is checked, also if a function of the team makes the call. Rejects if the account
 * has no attempts left. Outside a login route nothing is counted.
 */
export async function countAccount(name: AccountName): Promise<() => void> {
  return (await current.getStore()?.(name)) ?? (() => undefined)
}
