import type { Response } from 'express'
import type { ParsedTokenPlaces } from './token-places.js'

/** What caches may do with the answers of guarded routes. */
export type CacheControl = 'no-cache' | 'no-store'

/**
 * Sets headers that keep an answer of one user from another (RFC 9111). A handler that runs later can replace them. Those of
 * `express.static()` and `res.sendFile()` do so only if the team writes `setHeaders` or `headers`: otherwise they say
 * `public` only if no `Cache-Control` is set.
 */
export type SetCacheHeaders = (res: Response | undefined) => void

const VALUES: Readonly<Record<CacheControl, string>> = {
  'no-cache': 'private, no-cache',
  'no-store': 'no-store',
}

/** Values of middleware before the guard that are at least as strict. Any other value was meant for public answers. */
const KEPT: Readonly<Record<CacheControl, RegExp>> = {
  'no-cache': /\b(?:private|no-store)\b/i,
  'no-store': /\bno-store\b/i,
}

/**
 * The request headers that can hold a token. A query or a form is part of what a cache compares, or is not cached. A function
 * may read cookies.
 */
export function headersWithTokens({ cookie, tokenOf }: ParsedTokenPlaces): readonly string[] {
  return cookie === undefined && tokenOf === undefined ? ['Authorization'] : ['Authorization', 'Cookie']
}

/**
 * Creates the function that sets `Cache-Control` and `Vary`.
 *
 * @param varying the request headers that decide who the user is
 */
export function createCacheHeaders(cacheControl: CacheControl, varying: readonly string[]): SetCacheHeaders {
  const value = VALUES[cacheControl]
  const kept = KEPT[cacheControl]
  const vary = varying.join(', ')
  // cors() sets the same value for each request. Adding the names each time would take 3 µs of each request.
  let known = { before: '', after: vary }

  function toVary(varied: ReturnType<Response['getHeader']>): string {
    if (varied === undefined) return vary
    const before = String(varied)
    if (known.before !== before) known = { before, after: addNames(before, varying) }
    return known.after
  }

  return res => {
    // A guard also gets the requests of sockets, which have no response. An answer that was sent takes no header any more.
    if (typeof res?.getHeader !== 'function' || res.headersSent) return
    const before = res.getHeader('Cache-Control')
    if (before === undefined || !kept.test(String(before))) res.setHeader('Cache-Control', value)
    res.setHeader('Vary', toVary(res.getHeader('Vary')))
  }
}

function addNames(varied: string, names: readonly string[]): string {
  const present = varied.toLowerCase().split(/[\s,]+/)
  if (present.includes('*')) return varied
  return [varied, ...names.filter(name => !present.includes(name.toLowerCase()))].join(', ')
}
