import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'

/** A scheme and a host with an optional port, and nothing behind them (RFC 6454 6.2). */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*,]+$/i

/**
 * The usual form of an origin: in lower case, and without the default port of its scheme. `undefined` for any other text,
 * and so for `null`, which browsers send for a page that has no origin.
 */
export function toOrigin(text: string): string | undefined {
  if (!ORIGIN.test(text)) return undefined
  try {
    const { origin, protocol, host } = new URL(text)
    // For a scheme that is not of the web, such as that of a native app, the URL standard gives no origin.
    return origin === 'null' ? `${protocol}//${host.toLowerCase()}` : origin
  } catch {
    return undefined
  }
}

/** Values of `Sec-Fetch-Site` for requests of this app's own pages, and for requests that the user makes in the browser. */
const OWN = ['same-origin', 'none']

/**
 * Creates the check that refuses a request which another page has made a browser send (login CSRF). Browsers tell where a
 * request comes from by `Sec-Fetch-Site`, and older browsers by `Origin` alone. Another host or port of the same site is
 * another page too. A request with neither header passes, because no browser sent it.
 *
 * @param allowedOrigins origins of other pages that may send requests
 * @throws `invalid_request` from the check
 */
export function createOriginCheck(allowedOrigins: readonly string[]): (req: Request) => void {
  const allowed = new Set(allowedOrigins.map(toOrigin))
  return req => {
    const { 'sec-fetch-site': site, origin } = req.headers
    if (OWN.includes(String(site)) || (site === undefined && origin === undefined)) return
    const known = origin === undefined ? undefined : toOrigin(origin)
    if (known !== undefined && (allowed.has(known) || known === ownOriginOf(req))) return
    throw refused(
      'The request comes from a page of another origin. Pages of other hosts and ports have to be listed in allowedOrigins. ' +
        'If the server is behind a proxy, it must trust the headers of the proxy.',
    )
  }
}

/**
 * The origin that a client used to reach the app. `req.protocol` respects the setting `trust proxy`, and the host is found by
 * the same rule, because `req.hostname` leaves out the port.
 */
function ownOriginOf(req: Request): string | undefined {
  const host = forwardedHostOf(req) ?? req.headers.host
  return host === undefined ? undefined : toOrigin(`${req.protocol}://${host}`)
}

/** The function that Express compiles from its setting `trust proxy`. */
type TrustsProxy = (address: string | undefined, hops: number) => boolean

/** The first `X-Forwarded-Host`, if the peer may set it. Each proxy appends its value, as in `X-Forwarded-For`. */
function forwardedHostOf(req: Request): string | undefined {
  const trusts = req.app.get('trust proxy fn') as TrustsProxy | undefined
  if (trusts?.(req.socket.remoteAddress, 0) !== true) return undefined
  const [first = ''] = String(req.headers['x-forwarded-host'] ?? '').split(',', 1)
  return first.trim() === '' ? undefined : first.trim()
}

function refused(message: string): CustomUserDataError {
  return new CustomUserDataError('invalid_request', message)
}
