/** A cookie that this package does not set, and clears. Browsers delete a cookie only by the same name, path and domain. */
export interface CookieIdentity {
  /** The whole name, with the prefix `__Host-` or `__Secure-` if it has one. */
  readonly name: string
  /**
   * The attribute `Path` that the cookie was set with.
   * @default '/'
   */
  readonly path?: string | undefined
  /**
   * The attribute `Domain` that the cookie was set with.
   * @default only the host that set the cookie
   */
  readonly domain?: string | undefined
}

/**
 * The values of all cookies with one name in a `Cookie` header. Only spaces and tabs are stripped around names and values
 * (RFC 6265 5.2). `String.trim` would also strip a no-break space, so that another cookie could pass for this one.
 */
export function readCookies(header: string | undefined, name: string): string[] {
  const pairs = (header ?? '').split(';').map(pair => {
    const end = pair.indexOf('=')
    return end < 0 ? ['', ''] : [stripSpaceAndTab(pair.slice(0, end)), stripSpaceAndTab(pair.slice(end + 1))]
  })
  return pairs.filter(([found]) => found === name).map(([, value = '']) => value)
}

/** Takes linear time. A regular expression for the end of a text would try each run of spaces again. */
function stripSpaceAndTab(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpaceOrTab(text.charCodeAt(start))) start++
  while (end > start && isSpaceOrTab(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpaceOrTab(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** The path and the domain of a cookie. Without a domain the member must be missing, or Express would set `Domain`. */
export function placeOf({ path = '/', domain }: Omit<CookieIdentity, 'name'>): {
  readonly path: string
  readonly domain?: string
} {
  return { path, ...(domain !== undefined && { domain }) }
}

/** Options of the cookies that hold tokens. Such a cookie is always `HttpOnly`. */
export interface TokenCookieOptions {
  /**
   * The attribute `Domain`.
   *
   * @default only the host that sets the cookie
   */
  readonly domain?: string | undefined
  /**
   * The attribute `Partitioned` (CHIPS). In a frame of another site the cookie is then kept apart for each site that shows the
   * frame, also by browsers that keep no other cookies there. Needs `sameSite: 'none'`. Give the cookie another name when you
   * turn this on, because browsers send the earlier cookie too.
   *
   * @default false
   */
  readonly partitioned?: boolean | undefined
  /**
   * `false` leaves out `Secure` and the prefix of the name on the machine of a developer, because Safari keeps no `Secure`
   * cookies there and supertest sends none. That is: the client is on loopback, the host is `localhost`, `127.0.0.1` or
   * `[::1]`, the connection has no TLS, and no header shows a proxy or a page of another host. All other requests get the
   * cookie with `Secure`. Not with `sameSite: 'none'`.
   *
   * @default true
   * @example process.env.NODE_ENV === 'production'
   */
  readonly secure?: boolean | undefined
}

/** The complete attributes of a cookie that holds a token. */
export interface TokenCookie {
  /** The whole name, with its prefix. */
  readonly name: string
  readonly sameSite: 'strict' | 'lax' | 'none'
  readonly path: string
  readonly domain?: string | undefined
  readonly partitioned: boolean
  readonly secure: boolean
}

/** The name without the prefix, which browsers take only with `Secure` (RFC 6265bis 4.1.3). */
export function toPlainName(name: string): string {
  return name.replace(/^__(?:Host|Secure)-/, '')
}

/** RFC 6265 6.1: browsers need not keep a cookie whose name, value and attributes take more bytes together. */
const MAX_COOKIE_BYTES = 4_096

/** How many bytes the value of a cookie may have, so that browsers keep the cookie with all attributes that it can have. */
export function maxValueBytes({ name, path, domain }: TokenCookie): number {
  const others =
    'Max-Age=86400; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; Partitioned; SameSite=Strict'
  const place = `Path=${path}; ${domain === undefined ? '' : `Domain=${domain}; `}`
  return MAX_COOKIE_BYTES - `${name}=; ${place}${others}`.length
}
