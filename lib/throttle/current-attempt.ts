import { AsyncLocalStorage } from 'node:async_hooks'
import type { AccountName } from './account-name.js'

/** Counts an account for the login that is being verified; resolves to what reports that its credentials were right. */
type CountAccount = (name: AccountName) => Promise<() => void>

/** The login that is being verified, for whatever its callback calls. */
const current = new AsyncLocalStorage<CountAccount | undefined>()

/** Runs the check of credentials, inside which {@link countAccount} counts for this login. */
export function whileVerifying<T>(count: CountAccount | undefined, verify: () => T): T {
  return current.run(count, verify)
}

/**
 * Counts an account whose password is about to be checked, whatever function of the team the call comes through. Rejects
 * where the account has no attempts left. Outside of a login route nothing is counted.
 */
export async function countAccount(name: AccountName): Promise<() => void> {
  return (await current.getStore()?.(name)) ?? (() => undefined)
}
