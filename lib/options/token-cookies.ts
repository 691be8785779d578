import { createHash } from 'node:crypto'
import * as v from 'valibot'
import type { ParsedTokenPlaces } from '../authenticate/token-places.js'
import type { RefreshCookie } from '../routes/refresh-cookie.js'
import { toPlainName } from '../util/cookies.js'
import type { TokenCookie } from '../util/cookies.js'
import {
  BROKEN_PREFIX,
  cookieDomain,
  cookieIdentity,
  cookieName,
  cookiePath,
  isOfHost,
  keepsItsPrefix,
} from './cookies.js'
import type { Identity } from './cookies.js'
import { wrong } from './explain.js'
import type { OwnIssuer } from './issuers.js'
import { objectOr, optionsObject } from './options-object.js'
import type { OptionsOf } from './options-object.js'
import { trueOrFalse } from './value-schemas.js'

const REFRESH_MEMBERS = '{ name, sameSite, path, domain, persistent, partitioned, secure, previousCookies }'
const REFRESH_TRANSPORT = `write "body", "cookie" or { cookie: ${REFRESH_MEMBERS} }`
const ACCESS_MEMBERS = '{ name, sameSite, path, domain, partitioned, secure }'
const ACCESS_TRANSPORT = `write "body", "cookie" or { cookie: ${ACCESS_MEMBERS} }`

const SAME_SITE = v.picklist(['strict', 'lax', 'none'], 'write "strict", "lax" or "none"')

/** Members that the cookies of both tokens have. */
const sharedMembers = {
  name: v.optional(cookieName),
  path: v.optional(cookiePath, '/'),
  domain: v.optional(cookieDomain),
  partitioned: v.optional(trueOrFalse, false),
  secure: v.optional(trueOrFalse, true),
}

interface Given extends Identity {
  readonly sameSite: TokenCookie['sameSite']
  readonly partitioned: boolean
  readonly secure: boolean
}

/** Refuses combinations of attributes with which no browser keeps or sends the cookie. */
function keptByBrowsers<Cookie extends Given>(schema: v.GenericSchema<object, Cookie>) {
  return v.pipe(
    schema,
    v.check<Cookie, string>(cookie => keepsItsPrefix(cookie), BROKEN_PREFIX),
    v.check<Cookie, string>(
      ({ secure, sameSite }) => secure || sameSite !== 'none',
      'browsers keep a cookie with sameSite "none" only with Secure: leave out secure: false, or write sameSite: "lax"',
    ),
    v.check<Cookie, string>(
      ({ partitioned, sameSite }) => !partitioned || sameSite === 'none',
      'browsers send a partitioned cookie to a frame of another site only with sameSite "none": write sameSite: "none", or leave out partitioned',
    ),
  )
}

const refreshCookie = keptByBrowsers(
  optionsObject(`write ${REFRESH_MEMBERS}`, {
    ...sharedMembers,
    sameSite: v.optional(SAME_SITE, 'strict'),
    persistent: v.optional(trueOrFalse, true),
    previousCookies: v.optional(v.array(cookieIdentity, 'write a list of { name, path, domain }'), []),
  }),
)

const accessCookie = keptByBrowsers(
  optionsObject(`write ${ACCESS_MEMBERS}`, { ...sharedMembers, sameSite: v.optional(SAME_SITE, 'lax') }),
)

/** The option `refreshTokenTransport`. */
export const refreshTokenTransport = v.optional(
  objectOr(
    optionsObject(REFRESH_TRANSPORT, { cookie: refreshCookie }),
    v.picklist(['body', 'cookie'], REFRESH_TRANSPORT),
  ),
  'body',
)

/** The option `accessTokenTransport`. */
export const accessTokenTransport = v.optional(
  objectOr(
    optionsObject(ACCESS_TRANSPORT, { cookie: accessCookie }),
    v.picklist(['body', 'cookie'], ACCESS_TRANSPORT),
  ),
  'body',
)

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
  const cookie = { ...given, name: toWholeName(given, defaultCookieName(own)) }
  if (cookie.previousCookies.some(previous => isSameCookie(previous, cookie))) {
    throw wrong(
      'option "refreshTokenTransport.cookie.previousCookies": it names the cookie that is in use, so a login would clear the ' +
        'cookie that it sets. Remove it from the list.',
    )
  }
  return cookie
}

/**
 * Completes the access cookie with its whole name. `undefined` if access tokens are in the JSON.
 *
 * @param tokenPlaces the option, whose cookie the app sets by itself
 * @throws OptionError without keys of our own, if the app sets a cookie too, or if the cookie of refresh tokens has the name
 */
export function toAccessCookie(
  option: OptionsOf<{ accessTokenTransport: typeof accessTokenTransport }>['accessTokenTransport'],
  own: OwnIssuer | undefined,
  tokenPlaces: ParsedTokenPlaces,
  refresh: RefreshCookie | undefined,
): TokenCookie | undefined {
  if (option === 'body') return undefined
  if (own === undefined) {
    throw wrong(
      'option "accessTokenTransport": without keys of your own no route sets the cookie. Leave the option out. Read a cookie that your app sets by tokenPlaces: { cookie: "…" }.',
    )
  }
  if (tokenPlaces.cookie !== undefined) {
    throw wrong(
      'option "tokenPlaces.cookie": with "accessTokenTransport" the routes set the cookie, and the guards read it. Leave "tokenPlaces.cookie" out.',
    )
  }
  const given = option === 'cookie' ? v.parse(accessCookie, {}) : option.cookie
  const cookie = { ...given, name: toWholeName(given, defaultCookieName(own, 'access_token')) }
  if (refresh && toPlainName(refresh.name) === toPlainName(cookie.name)) {
    throw wrong(
      'option "accessTokenTransport.cookie.name": the cookie of refresh tokens has this name too. Write another name.',
    )
  }
  return cookie
}

/** A name without a prefix gets one, because then a browser takes the cookie only from a safe origin (RFC 6265bis 4.1.3). */
function toWholeName(cookie: Identity, defaultName: string): string {
  const given = cookie.name ?? defaultName
  if (/^__(?:Host|Secure)-/.test(given)) return given
  return `${isOfHost(cookie) ? '__Host-' : '__Secure-'}${given}`
}

/**
 * The default name, without a prefix. All ports of a host share their cookies, so two apps there must not have one name. Of
 * several audiences only the first counts, so that one more audience logs nobody out.
 */
export function defaultCookieName(
  own: Pick<OwnIssuer, 'issuer' | 'audience' | 'clientId'> | undefined,
  token = 'refresh_token',
): string {
  const app = JSON.stringify([own?.issuer, own?.audience[0], own?.clientId])
  return `${token}_${createHash('sha256').update(app).digest('hex').slice(0, 8)}`
}

/** Whether two cookies are one: same name, path and domain (RFC 6265 5.3). */
function isSameCookie(one: Identity, other: Identity): boolean {
  const toDomain = ({ domain }: Identity): string | undefined => domain?.toLowerCase().replace(/^\./, '')
  return one.name === other.name && one.path === other.path && toDomain(one) === toDomain(other)
}
