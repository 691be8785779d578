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
