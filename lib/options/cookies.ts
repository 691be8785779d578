import * as v from 'valibot'
import { optionsObject } from './options-object.js'
import { name } from './value-schemas.js'

/** Browsers ignore a cookie whose name and value have more than 4,096 bytes (RFC 6265bis 5.6). */
const MAX_NAME_LENGTH = 256
/** Browsers ignore a longer attribute, so the cookie would have another path (RFC 6265bis 5.6). */
const MAX_PATH_LENGTH = 1_024

/** The whole name of a cookie (RFC 6265 4.1.1). */
export const cookieName = v.pipe(
  name,
  v.regex(/^[\w!#$%&'*+.^`|~-]+$/, 'write a cookie name, e.g. "refresh_token"'),
  v.maxLength(MAX_NAME_LENGTH, `write a cookie name of at most ${MAX_NAME_LENGTH} characters`),
  v.check(
    text => !/^__(?:host|secure)-/i.test(text) || /^__(?:Host|Secure)-./.test(text),
    'browsers compare the prefix of a cookie name in any case: write __Host- or __Secure-, and the name behind it',
  ),
)
/** The attribute `Path`. */
export const cookiePath = v.pipe(
  name,
  v.regex(
    /^\/[!\x24-\x3a\x3c-\x3e\x40-\x7e]*$/,
    'write a path that begins with a slash, without spaces, "?", "#" and ";", e.g. "/auth"',
  ),
  v.check(
    path => !/\/\.{1,2}(?:\/|$)/.test(path),
    'browsers remove "." and ".." from addresses, so the cookie would never be sent: write the path without them',
  ),
  v.maxLength(MAX_PATH_LENGTH, `write a path of at most ${MAX_PATH_LENGTH} characters`),
)
/** The attribute `Domain`. */
export const cookieDomain = v.pipe(
  name,
  v.regex(
    /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i,
    'write a domain, e.g. "example.com"',
  ),
  v.maxLength(253, 'write a domain of at most 253 characters'),
)

/** What decides about the prefix that a cookie may have. */
export interface Identity {
  readonly name?: string | undefined
  readonly path: string
  readonly domain?: string | undefined
}

/** Whether browsers keep the cookie to the host alone, as the prefix `__Host-` promises. */
export function isOfHost({ path, domain }: Identity): boolean {
  return path === '/' && domain === undefined
}

/** Browsers ignore a cookie that does not keep what its prefix promises (RFC 6265bis 4.1.3). */
export const keepsItsPrefix = (cookie: Identity): boolean =>
  cookie.name?.startsWith('__Host-') !== true || isOfHost(cookie)

/** The advice for a cookie that does not keep its prefix. */
export const BROKEN_PREFIX =
  'a cookie whose name begins with __Host- has the path "/" and no domain: leave both out, or begin the name with __Secure-'

/** A cookie that this package does not set, and may have to clear. */
export const cookieIdentity = v.pipe(
  optionsObject('write { name, path, domain }', {
    name: cookieName,
    path: v.optional(cookiePath, '/'),
    domain: v.optional(cookieDomain),
  }),
  v.check(cookie => keepsItsPrefix(cookie), BROKEN_PREFIX),
)
