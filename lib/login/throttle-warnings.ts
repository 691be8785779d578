import type { Request } from 'express'
import type { Events } from '../events.js'
import type { Client } from './client.js'

/** Warns about logins that the throttle cannot count as it should. */
export type ThrottleWarnings = ReturnType<typeof createThrottleWarnings>

/** Warns, once for each reason, that the login throttle counts the wrong account or the wrong address. */
export function createThrottleWarnings(events: Events) {
  const told = new Set<string>()
  function warnOnce(
    code: 'proxy_header_unused' | 'login_account_unknown' | 'login_address_unknown',
    about: string,
    message: string,
  ): void {
    if (told.has(about)) return
    told.add(about)
    events.warn({ code, message })
  }

  /** Behind a proxy that the app does not trust, `req.ip` is the proxy's address for all clients. */
  function ofUnusedProxyHeader(req: Request): void {
    const header = ['X-Forwarded-For', 'Forwarded'].find(
      name => req.headers[name.toLowerCase()] !== undefined,
    )
    if (header === undefined || req.app.get('trust proxy')) return
    warnOnce(
      'proxy_header_unused',
      'proxy',
      `A login came with the header ${header}, but the setting "trust proxy" of express is off. If your app is behind a ` +
        'proxy, all clients share the address of the proxy and its limit of failed logins. Write ' +
        'app.set("trust proxy", 1), with the number of your proxies. If there is no proxy, ignore this warning: any client ' +
        'can send the header.',
    )
  }

  return {
    /** The address of a client decides whose guesses are limited. */
    ofClient({ req, address }: Client): void {
      if (req) ofUnusedProxyHeader(req)
      if (address !== null) return
      warnOnce(
        'login_address_unknown',
        'address',
        'A login came without the address of its client, so its failures are counted for its account alone: nothing limits ' +
          'guesses for many accounts, and strangers can lock an account for all clients without an address. Give the address: ' +
          'authenticateLogin({ address, … }). For login(), req.ip has none: if your app listens on a Unix socket behind a ' +
          'proxy, write app.set("trust proxy", 1), with the number of your proxies.',
      )
    },

    /** Without an account's name, guesses are limited by the address alone. */
    ofUnknownAccount(): void {
      warnOnce(
        'login_account_unknown',
        'none',
        'A login named no account in "email" or "username", so its failures are counted for its address alone. ' +
          'Say which field names the account: login(verifyCredentials, { account: body => body.phone }).',
      )
    },

    /** If the account is not certain, a success forgets no failures, and its address does not become known. */
    ofUnsureAccount(): void {
      warnOnce(
        'login_account_unknown',
        'several',
        'A login with different accounts in "email" and "username" succeeded, so it is unknown whose failures to forget. ' +
          'Say which field names the account: login(verifyCredentials, { account: body => body.email }).',
      )
    },
  }
}
