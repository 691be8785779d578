import type { Request } from 'express'
import type { Events } from '../events.js'

/** Tells, once each, what keeps the login throttle from counting the right thing. */
export function createThrottleWarnings(events: Events) {
  const told = new Set<string>()
  function warnOnce(
    code: 'proxy_header_unused' | 'login_account_unknown',
    about: string,
    message: string,
  ): void {
    if (told.has(about)) return
    told.add(about)
    events.warn({ code, message })
  }

  return {
    /** Behind a proxy that the app does not trust, `req.ip` is the proxy's address for everybody. */
    ofUnusedProxyHeader(req: Request): void {
      const header = ['X-Forwarded-For', 'Forwarded'].find(
        name => req.headers[name.toLowerCase()] !== undefined,
      )
      if (header === undefined || req.app.get('trust proxy')) return
      warnOnce(
        'proxy_header_unused',
        'proxy',
        `A login came with the header ${header}, but the setting "trust proxy" of express is off. If your app is behind a ` +
          'proxy, all clients share the address of the proxy and its limit of failed logins. Write ' +
          'app.set("trust proxy", 1), with the number of your proxies. Without a proxy ignore this: clients can send the header.',
      )
    },

    /** Guesses are then limited by the address alone. */
    ofUnknownAccount(): void {
      warnOnce(
        'login_account_unknown',
        'none',
        'A login named no account in "email" or "username", so its failures are counted for its address alone. ' +
          'Say which field names the account: login(verifyCredentials, { account: body => body.phone }).',
      )
    },

    /** A success then neither forgets failures nor makes its address known. */
    ofUnsureAccount(): void {
      warnOnce(
        'login_account_unknown',
        'several',
        'A login succeeded that named different accounts in "email" and "username", so nobody knows whose failures to forget. ' +
          'Say which field names the account: login(verifyCredentials, { account: body => body.email }).',
      )
    },
  }
}
