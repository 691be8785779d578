import { createHash } from 'node:crypto'
import * as v from 'valibot'
import type { RefreshCookie } from '../routes/refresh-cookie.js'
import { wrong } from './explain.js'
import type { OwnIssuer } from './issuers.js'
import { objectOr, optionsObject } from './options-object.js'
import type { OptionsOf } from './options-object.js'
import { name, trueOrFalse } from './value-schemas.js'

const TRANSPORT =
  'write "body", "cookie" or { cookie: { name, sameSite, path, domain, persistent, previousCookies } }'

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
const cookiePath = v.pipe(
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
const cookieDomain = v.pipe(
  name,
  v.regex(
    /^\.?[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/i,
    'write a domain, e.g. "example.com"',
  ),
  v.maxLength(253, 'write a domain of at most 253 characters'),
)

/** Browsers ignore a cookie that does not keep what its prefix promises (RFC 6265bis 4.1.3). */
const keepsItsPrefix = (cookie: Identity): boolean =>
  cookie.name?.startsWith('__Host-') !== true || isOfHost(cookie)
const BROKEN_PREFIX =
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

const refreshCookie = v.pipe(
  optionsObject('write { name, sameSite, path, domain, persistent, previousCookies }', {
    name: v.optional(cookieName),
    sameSite: v.optional(v.picklist(['strict', 'lax', 'none'], 'write "strict", "lax" or "none"'), 'strict'),
    path: v.optional(cookiePath, '/'),
    domain: v.optional(cookieDomain),
    persistent: v.optional(trueOrFalse, true),
    previousCookies: v.optional(v.array(cookieIdentity, 'write a list of { name, path, domain }'), []),
  }),
  v.check(cookie => keepsItsPrefix(cookie), BROKEN_PREFIX),
)

/** The option `refreshTokenTransport`. */
export const refreshTokenTransport = v.optional(
  objectOr(optionsObject(TRANSPORT, { cookie: refreshCookie }), v.picklist(['body', 'cookie'], TRANSPORT)),
  'body',
)

interface Identity {
  readonly name?: string | undefined
  readonly path: string
  readonly domain?: string | undefined
}

/**
 * Completes the refresh cookie with its whole name. `undefined` if refresh tokens are in the JSON.
 *
 * @param own the issuer, whose digest is part of the default name
 * @throws OptionError if `previousCookies` names the cookie
 */
export function toRefreshCookie(
  option: OptionsOf<{ refreshTokenTransport: typeof refreshTokenTransport }>['refreshTokenTransport'],
  own: OwnIssuer | undefined,
): RefreshCookie | undefined {
  if (option === 'body') return undefined
  const given = option === 'cookie' ? v.parse(refreshCookie, {}) : option.cookie
  const cookie = { ...given, name: toWholeName(given, own) }
  if (cookie.previousCookies.some(previous => isSameCookie(previous, cookie))) {
    throw wrong(
      'option "refreshTokenTransport.cookie.previousCookies": it names the cookie that is in use, so a login would clear the ' +
        'cookie that it sets. Remove it from the list.',
    )
  }
  return cookie
}

/** A name without a prefix gets one, because then a browser takes the cookie only from a safe origin (RFC 6265bis 4.1.3). */
function toWholeName(cookie: Identity, own: OwnIssuer | undefined): string {
  const given = cookie.name ?? defaultCookieName(own)
  if (/^__(?:Host|Secure)-/.test(given)) return given
  return `${isOfHost(cookie) ? '__Host-' : '__Secure-'}${given}`
}

/**
 * The default name, without a prefix. All ports of a host share their cookies, so two apps there must not have one name. Of
 * several audiences only the first counts, so that one more audience logs nobody out.
 */
export function defaultCookieName(
  own: Pick<OwnIssuer, 'issuer' | 'audience' | 'clientId'> | undefined,
): string {
  const app = JSON.stringify([own?.issuer, own?.audience[0], own?.clientId])
  return `refresh_token_${createHash('sha256').update(app).digest('hex').slice(0, 8)}`
}

function isOfHost({ path, domain }: Identity): boolean {
  return path === '/' && domain === undefined
}

/** Whether two cookies are one: same name, path and domain (RFC 6265 5.3). */
function isSameCookie(one: Identity, other: Identity): boolean {
  const toDomain = ({ domain }: Identity): string | undefined => domain?.toLowerCase().replace(/^\./, '')
  return one.name === other.name && one.path === other.path && toDomain(one) === toDomain(other)
}
