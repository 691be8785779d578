import type { IncomingHttpHeaders } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Request } from 'express'
import { toPlainAddress } from '../util/client-address.js'
import type { TokenCookie } from '../util/cookies.js'

/** Headers that a proxy adds to a request, besides those that begin with `X-Forwarded-`. */
const PROXY_HEADERS = ['forwarded', 'via', 'x-real-ip']

/** Whether a header shows that a proxy is between the client and this process. */
export function showsProxy(headers: IncomingHttpHeaders): boolean {
  return Object.keys(headers).some(name => PROXY_HEADERS.includes(name) || name.startsWith('x-forwarded-'))
}

/** Names of this machine at which Safari drops cookies with `Secure`. */
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/**
 * Whether a request was sent on this machine, without TLS and without a proxy, as in development. A proxy may send no header
 * of its own and change the host. So the page's address, if the browser names it, must be on this machine too: by `Origin`, or
 * by `Referer`, because a GET has no `Origin`.
 */
export function isLocalRequest(req: Request): boolean {
  // Requests of adapters and tests may lack a socket and headers.
  const { remoteAddress, encrypted } = Object(req.socket) as Partial<TLSSocket>
  const headers = Object(req.headers) as IncomingHttpHeaders
  const { host = '', origin, referer } = headers
  return (
    isLoopback(remoteAddress) &&
    encrypted !== true &&
    isLocalHost(`http://${host}`) &&
    [origin, referer].every(address => address === undefined || isLocalHost(address)) &&
    !showsProxy(headers)
  )
}

/** Advice for a request without a cookie that `secure: false` would bring back. Empty for all other requests. */
export function adviseInsecure(req: Request, { secure }: Pick<TokenCookie, 'secure'>): string {
  if (!secure || !isLocalRequest(req)) return ''
  return (
    ' On localhost without TLS, Safari keeps no Secure cookies and agents of supertest send none: for development and tests ' +
    'write secure: false for the cookie.'
  )
}

function isLoopback(address: string | undefined): boolean {
  const plain = toPlainAddress(address) ?? ''
  return plain === '::1' || /^127(?:\.\d{1,3}){3}$/.test(plain)
}

function isLocalHost(address: string): boolean {
  return URL.canParse(address) && LOCAL_HOSTS.includes(new URL(address).hostname)
}
