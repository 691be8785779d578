import type { Request } from 'express'
import type { WarningEvent } from '../events.js'
import { toShownPath } from '../util/request-path.js'

/** What a feature does with the address of a client. */
export type AddressUse = 'login' | 'refresh token' | 'rule'

const HEADERS = ['X-Forwarded-For', 'Forwarded']

/** What goes wrong if all clients have the address of the proxy. */
const CONSEQUENCES: Readonly<Record<AddressUse, string>> = {
  login: 'share its limit of failed logins',
  'refresh token': 'share its limit of refresh tokens that are not valid',
  rule: 'are one client for the rules of allow() that read %%request.remoteIPAddress',
}

/**
 * Checks whether a request came through a proxy that the app does not trust. Then `req.ip` is the address of the proxy for all
 * clients.
 */
export function checkProxyHeader(req: Request, use: AddressUse): WarningEvent | undefined {
  const header = HEADERS.find(name => req.headers[name.toLowerCase()] !== undefined)
  if (header === undefined || req.app.get('trust proxy')) return undefined
  const message =
    `${req.method} ${toShownPath(req)} reads the address of its client. It came with the header ${header}, but the setting ` +
    '"trust proxy" of express is off. If your app is behind a proxy, all clients have the address of the proxy, so they ' +
    `${CONSEQUENCES[use]}. Write app.set("trust proxy", 1), with the number of your proxies. If there is no proxy, ignore ` +
    'this warning: any client can send the header.'
  return { code: 'proxy_header_unused', message }
}
