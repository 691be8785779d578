import type { CookieOptions, Request, Response } from 'express'
import { placeOf, readCookies, toPlainName } from '../util/cookies.js'
import type { CookieIdentity, TokenCookie } from '../util/cookies.js'
import { isLocalRequest } from './local-request.js'

/** A cookie of this package, or one that the app sets, of which only name and place are known. */
export type ReadableCookie = CookieIdentity & Partial<Pick<TokenCookie, 'secure'>>

/**
 * The values of a cookie in a request. A cookie without `Secure` counts only on the machine of a developer, and only if there
 * is no other: anywhere else a stranger could set it without TLS.
 *
 * @param header the header `Cookie`
 */
export function readTokenCookie(
  req: Request,
  cookie: ReadableCookie,
  header = req.headers.cookie ?? '',
): string[] {
  for (const name of namesFor(req, cookie)) {
    // Some apps clear a cookie by setting it to an empty value.
    const values = readCookies(header, name).filter(value => value !== '')
    if (values.length > 0) return values
  }
  return []
}

/**
 * Sets the cookie of a token.
 *
 * @param maxAgeMs how long the browser keeps it; without it, until the browser is closed
 */
export function setTokenCookie(res: Response, cookie: TokenCookie, value: string, maxAgeMs?: number): void {
  const lifetime = maxAgeMs === undefined ? {} : { maxAge: maxAgeMs }
  const [name, plainName] = namesFor(res.req, cookie)
  if (plainName === undefined) {
    write(res, name, value, { ...toAttributes(cookie, true), ...lifetime })
  } else {
    // The browser may hold a cookie with Secure from before, which would count instead of this one.
    write(res, name, undefined, toAttributes(cookie, true))
    write(res, plainName, value, { ...toAttributes(cookie, false), ...lifetime })
  }
}

/** Clears the cookie of a token. */
export function clearTokenCookie(res: Response, cookie: TokenCookie): void {
  const [name, plainName] = namesFor(res.req, cookie)
  write(res, name, undefined, toAttributes(cookie, true))
  if (plainName !== undefined) write(res, plainName, undefined, toAttributes(cookie, false))
}

/** The name, and behind it the name that the cookie has without `Secure`, if the request may have such a cookie. */
function namesFor(req: Request, { name, secure }: ReadableCookie): [string] | [string, string] {
  return secure === false && isLocalRequest(req) ? [name, toPlainName(name)] : [name]
}

type Attributes = CookieOptions & Pick<TokenCookie, 'partitioned'>

function toAttributes(cookie: TokenCookie, secure: boolean): Attributes {
  const { sameSite, partitioned } = cookie
  return { httpOnly: true, secure, sameSite, partitioned, ...placeOf(cookie) }
}

/** Writes one `Set-Cookie`. Without a value it clears the cookie. */
function write(
  res: Response,
  name: string,
  value: string | undefined,
  { partitioned, ...attributes }: Attributes,
): void {
  if (value === undefined) res.clearCookie(name, attributes)
  else res.cookie(name, value, attributes)
  if (partitioned) addPartitioned(res)
}

/** Express before 4.19 ignores the option `partitioned`, so the attribute is added to the last cookie here. */
function addPartitioned(res: Response): void {
  const lines = [res.getHeader('Set-Cookie') ?? []].flat().map(String)
  res.setHeader('Set-Cookie', [...lines.slice(0, -1), `${lines.at(-1) ?? ''}; Partitioned`])
}
