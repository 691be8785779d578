import type { SetUpWarnings } from './set-up-warnings.js'

/** Warns about logins whose failures cannot be counted as they should. */
export type LoginClientChecks = ReturnType<typeof createLoginClientChecks>

/** Creates the checks whether a login names its account and has an address, which decide what the throttle counts. */
export function createLoginClientChecks(warnings: Pick<SetUpWarnings, 'once'>) {
  return {
    /** The address of a client decides whose guesses are limited. */
    ofAddress(address: string | null): void {
      if (address !== null) return
      const message =
        'A login came without the address of its client, so its failures are counted for its account alone: nothing limits ' +
        'guesses for many accounts, and strangers can lock an account for all clients without an address. Give the address: ' +
        'authenticateLogin({ address, … }). For login(), req.ip has none: if your app listens on a Unix socket behind a ' +
        'proxy, write app.set("trust proxy", 1), with the number of your proxies.'
      warnings.once({ code: 'login_address_unknown', message })
    },

    /** Without an account's name, guesses are limited by the address alone. */
    ofUnknownAccount(): void {
      const message =
        'A login named no account in "email" or "username", so its failures are counted for its address alone. ' +
        'Say which field names the account: login(verifyCredentials, { account: body => body.phone }).'
      warnings.once({ code: 'login_account_unknown', message })
    },

    /** If the account is not certain, a success forgets no failures, and its address does not become known. */
    ofUnsureAccount(): void {
      const message =
        'A login with different accounts in "email" and "username" succeeded, so it is unknown whose failures to forget. ' +
        'Say which field names the account: login(verifyCredentials, { account: body => body.email }).'
      warnings.once({ code: 'login_account_unknown', message })
    },
  }
}
