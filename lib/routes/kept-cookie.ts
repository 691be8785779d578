import { isIP } from 'node:net'
import type { Request } from 'express'
import { CustomUserDataError } from '../errors.js'
import type { Events } from '../events.js'
import { showsProxy } from '../authenticate/local-request.js'
import type { TokenCookie } from '../util/cookies.js'

type Attributes = Pick<TokenCookie, 'sameSite' | 'path' | 'domain' | 'partitioned'>

/** The token in a cookie. The routes need only the refresh token, so only its path must fit them. */
type TokenName = 'access token' | 'refresh token'

/** Notices requests with which a browser does not keep or send the cookie of a token. */
export type KeptCookieCheck = ReturnType<typeof createKeptCookieCheck>

/** Creates the check. The warning `cookie_not_kept` comes once for each reason. */
export function createKeptCookieCheck(
  tokenName: TokenName,
  cookie: Attributes,
  events: Pick<Events, 'warn'>,
) {
  const told = new Set<string>()

  function notice(req: Request, isOfRoute: boolean): Finding | undefined {
    const found = findReason(req, cookie, isOfRoute && tokenName === 'refresh token')
    if (found && !told.has(found.reason)) {
      told.add(found.reason)
      events.warn({ code: 'cookie_not_kept', message: toMessage(tokenName, found) })
    }
    return found
  }

  return {
    /** Why a browser would not keep the cookie; `undefined` if nothing in the request tells so. Warns about the reason. */
    reasonFor: (req: Request): string | undefined => notice(req, true)?.reason,
    /**
     * Throws `cookie_not_kept` for a login whose cookie the browser would not keep. Nobody could end its session. If a proxy
     * may explain what was found, the login goes on.
     *
     * @param isOfRoute whether the request is one of `login()`, which also reads the cookie
     */
    require: (req: Request, isOfRoute: boolean): void => {
      const found = notice(req, isOfRoute)
      if (found?.isCertain === true)
        throw new CustomUserDataError('cookie_not_kept', toMessage(tokenName, found))
    },
  }
}

interface Finding {
  readonly reason: string
  /** `false` if a proxy that sends no headers of its own may explain it. */
  readonly isCertain: boolean
}

function toMessage(tokenName: TokenName, { reason, isCertain }: Finding): string {
  const verb = isCertain ? 'would' : 'may'
  return `The browser ${verb} not keep the cookie with the ${tokenName}, or not send it. ${reason}`
}

function findReason(req: Request, cookie: Attributes, isReadByRoutes: boolean): Finding | undefined {
  const { path, domain } = cookie
  if (isInsecure(req)) return { reason: INSECURE, isCertain: true }
  if (domain !== undefined && !hostsOf(req).some(host => takesDomain(host, domain))) {
    const reason = `The cookie has the domain "${domain}", which is neither the host of the request nor a domain above it. ${HOST_ADVICE}`
    return { reason, isCertain: isOfPage(req) }
  }
  if (isReadByRoutes && !isBelow(req, path)) {
    const reason = `The cookie has the path "${path}", and the path of the request is not below it. ${PATH_ADVICE}`
    const differsInCase = isBelow(req, path, text => text.toLowerCase())
    return { reason, isCertain: (isOfPage(req) && differsInCase) || isDirect(req) }
  }
  return isFromOtherSite(req, cookie) ? { reason: toSiteReason(cookie.sameSite), isCertain: true } : undefined
}

/** Whether a page in a browser sent the request. Other clients may reach the app by an inner host. */
function isOfPage({ headers }: Request): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
}

/**
 * Whether no proxy can have changed the path, although a proxy may send no header of its own: the client names the port on
 * which this process listens, and a page of the same origin names the same host.
 */
function isDirect(req: Request): boolean {
  const { host = '', origin, 'sec-fetch-site': site } = req.headers
  // An adapter for serverless platforms may give a request without a socket.
  const { localPort, encrypted } = Object(req.socket) as { localPort?: number; encrypted?: boolean }
  const address = `http://${host}`
  if (!URL.canParse(address)) return false
  const port = new URL(address).port || (encrypted === true ? '443' : '80')
  if (port !== String(localPort)) return false
  return site !== 'same-origin' || origin === undefined || origin.replace(/^https?:/i, 'http:') === address
}

const INSECURE =
  'The page was opened by http, and browsers keep the cookie only over https or on localhost. Open the page by https. If a ' +
  'proxy ends TLS, let it send X-Forwarded-Proto.'
const HOST_ADVICE =
  'Write the domain of the app, or leave the option "domain" out. If a proxy changes the host, let it send X-Forwarded-Host.'
const PATH_ADVICE =
  'login(), refresh() and logout() must be below it, and browsers compare the case of letters, which Express does not. If a ' +
  'proxy changes the path, let it send X-Forwarded-For.'

function toSiteReason(sameSite: Attributes['sameSite']): string {
  const found = 'The page is on another site, or in a frame of another site. '
  return sameSite === 'none'
    ? `${found}This browser keeps no cookies there. Write partitioned: true, open the app outside of the frame, or put the page on the app's site.`
    : `${found}Browsers keep the cookie there only with sameSite: "none".`
}

/**
 * Browsers keep a cookie with `Secure` only if the address is secure or on loopback. To such addresses Chromium, Firefox and
 * Safari send `Sec-Fetch-Site`. A client without `Origin` is no page, and may know TLS that the app does not see.
 */
function isInsecure(req: Request): boolean {
  const { origin = '', 'sec-fetch-site': site } = req.headers
  if (!/^http:/i.test(origin) || site !== undefined || req.secure) return false
  if (/https/i.test(`${textOf(req, 'x-forwarded-proto')} ${textOf(req, 'forwarded')}`)) return false
  return !hostsOf(req).some(isLoopback)
}

/**
 * The names by which the browser may have reached the app. A proxy may have changed the host, so what the headers of a proxy
 * or the page's origin say counts too. It decides only whether the cookie is kept.
 */
function hostsOf(req: Request): string[] {
  const { host = '', origin = '', 'sec-fetch-site': site } = req.headers
  const [forwarded = ''] = textOf(req, 'x-forwarded-host').split(',', 1)
  const pages = site === 'cross-site' ? [] : [origin]
  return [`http://${host}`, `http://${forwarded.trim()}`, ...pages].flatMap(address =>
    URL.canParse(address) ? [new URL(address).hostname.toLowerCase()] : [],
  )
}

/** RFC 6265 5.1.3. Of a name without a dot, such as `localhost` or `com`, a browser takes only the very same host. */
function takesDomain(host: string, domain: string): boolean {
  const wanted = domain.toLowerCase().replace(/^\./, '')
  return host === wanted || (host.endsWith(`.${wanted}`) && wanted.includes('.') && isIP(host) === 0)
}

/** RFC 6265 5.1.4. A proxy may have removed the beginning of the path, so nobody can tell behind a proxy. */
function isBelow(req: Request, path: string, fold = (text: string): string => text): boolean {
  if (path === '/' || showsProxy(req.headers)) return true
  const [asked = ''] = req.originalUrl.split('?', 1)
  const [found, wanted] = [fold(asked), fold(path)]
  return found === wanted || found.startsWith(wanted.endsWith('/') ? wanted : `${wanted}/`)
}

/**
 * A browser keeps `Strict` and `Lax` cookies of a `fetch` only within their site. Chromium sends
 * `Sec-Fetch-Storage-Access` with each request between sites, and `none` or `inactive` if it keeps no cookies of others.
 */
function isFromOtherSite(req: Request, { sameSite, partitioned }: Attributes): boolean {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = req.headers
  const access = req.headers['sec-fetch-storage-access']
  // The browser shows the answer of a navigation as a page of its own, so the cookie is kept.
  if (mode === 'navigate') return false
  // A partitioned cookie is kept where other cookies are not.
  if (partitioned) return false
  if (sameSite === 'none') return access === 'none' || access === 'inactive'
  return site === 'cross-site' || access !== undefined
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(?:\.\d+){3}$/.test(host)
  )
}

function textOf({ headers }: Request, name: string): string {
  return String(headers[name] ?? '')
}
