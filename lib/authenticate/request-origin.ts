import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'

/** Pages that may make a browser send requests with a cookie, besides pages of the app's own origin. */
export type AllowedOrigins = readonly string[] | 'any'

/** Throws `foreign_origin` if a page of another origin has made a browser send the request. */
export type OriginCheck = (req: Request) => void

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

/** Methods of requests that change nothing (RFC 9110 9.2.1). A page of another origin cannot read their answers. */
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * Creates the check that refuses a request which another page has made a browser send (CSRF). Browsers tell where a
 * request comes from by `Sec-Fetch-Site`, and older browsers by `Origin` alone. Another host or port of the same site is
 * another page too. A request with neither header passes, because no browser sent it.
 *
 * @param allowedOrigins origins of other pages that may send requests; `any` turns the check off
 */
export function createOriginCheck(allowedOrigins: AllowedOrigins): OriginCheck {
  if (allowedOrigins === 'any') return () => undefined
  const allowed = new Set(allowedOrigins.map(toOrigin))
  return req => {
    // Requests that a test or an adapter makes by hand may have no headers.
    const { 'sec-fetch-site': site, origin } = (req as Partial<Request>).headers ?? {}
    if (changesNothing(req) || OWN.includes(String(site)) || (site === undefined && origin === undefined))
      return
    const known = origin === undefined ? undefined : toOrigin(origin)
    if (known !== undefined && (allowed.has(known) || known === ownOriginOf(req))) return
    throw new CustomUserDataError(
      'foreign_origin',
      'The request comes from a page of another origin. Pages of other hosts and ports have to be listed in allowedOrigins. ' +
        'If the server is behind a proxy, it must trust the headers of the proxy.',
    )
  }
}

/** The handshake of a WebSocket is a GET too, but the page of another origin can then send and read messages. */
function changesNothing({ method, headers }: Partial<IncomingMessage>): boolean {
  return SAFE_METHODS.includes(String(method)) && headers?.upgrade === undefined
}

/**
 * The origin that a client used to reach the app. `req.protocol` respects the setting `trust proxy`, and the host is found by
 * the same rule, because `req.hostname` leaves out the port. The request of an upgrade has neither.
 */
function ownOriginOf(req: Request): string | undefined {
  const host = forwardedHostOf(req) ?? req.headers.host
  const { protocol = isEncrypted(req) ? 'https' : 'http' } = req as Partial<Request>
  return host === undefined ? undefined : toOrigin(`${protocol}://${host}`)
}

function isEncrypted({ socket }: IncomingMessage): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true
}

/** The function that Express compiles from its setting `trust proxy`. */
type TrustsProxy = (address: string | undefined, hops: number) => boolean

/** The first `X-Forwarded-Host`, if the peer may set it. Each proxy appends its value, as in `X-Forwarded-For`. */
function forwardedHostOf(req: Request): string | undefined {
  const { app } = req as Partial<Request>
  const trusts = app?.get('trust proxy fn') as TrustsProxy | undefined
  if (trusts?.(req.socket.remoteAddress, 0) !== true) return undefined
  const [first = ''] = String(req.headers['x-forwarded-host'] ?? '').split(',', 1)
  return first.trim() === '' ? undefined : first.trim()
}
