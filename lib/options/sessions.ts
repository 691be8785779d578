import * as v from 'valibot'
import { toRefreshCookieName } from '../routes/refresh-transport.js'
import { MAX_TIMER_MS } from '../util/deadline.js'
import { collectionNamed } from './collection-option.js'
import { optionsObject, objectOr } from './options-object.js'
import {
  callback,
  DAY_SECONDS,
  maxSessions,
  name,
  secret,
  trueOrFalse,
  whole,
  YEAR_SECONDS,
} from './value-schemas.js'

/** The longest time that a team may let sessions live. */
export const MAX_REFRESH_TOKEN_TTL_SECONDS = 5 * YEAR_SECONDS

const TRANSPORT = 'write "body", "cookie" or { cookie: { name, sameSite, path, domain, previousCookies } }'
const THROTTLE =
  'write false or { accountAndAddressFailures, addressFailures, windowSeconds, accountFailures }'

const cookiePath = v.pipe(
  name,
  v.regex(/^\/[\x20-\x3a\x3c-\x7e]*$/, 'write a path that begins with a slash, e.g. "/auth"'),
)
const cookieDomain = v.pipe(name, v.regex(/^[a-z\d.-]+$/i, 'write a domain, e.g. "example.com"'))

const previousCookie = v.pipe(
  optionsObject('write { name, path, domain }', {
    name: v.pipe(
      name,
      v.regex(/^[\w!#$%&'*+.^`|~-]+$/, 'write the whole name of a cookie, e.g. "refresh_token"'),
    ),
    path: v.optional(cookiePath, '/'),
    domain: v.optional(cookieDomain),
  }),
  v.check(
    cookie => !/^__host-/i.test(cookie.name) || (cookie.path === '/' && cookie.domain === undefined),
    'a cookie whose name begins with __Host- has the path "/" and no domain: leave both out',
  ),
)

/** Refuses at creation a cookie that browsers would ignore (RFC 6265 4.1.1): otherwise no user could refresh. */
const refreshCookie = v.pipe(
  optionsObject('write { name, sameSite, path, domain, previousCookies }', {
    name: v.optional(
      v.pipe(
        name,
        v.regex(
          /^(?!__(?:host|secure)-)[\w!#$%&'*+.^`|~-]+$/i,
          'write a cookie name, e.g. "refresh_token", without the prefix __Host- or __Secure-',
        ),
      ),
    ),
    sameSite: v.optional(v.picklist(['strict', 'lax', 'none'], 'write "strict", "lax" or "none"')),
    path: v.optional(cookiePath),
    domain: v.optional(cookieDomain),
    previousCookies: v.optional(v.array(previousCookie, 'write a list of { name, path, domain }')),
  }),
  v.check(
    ({ previousCookies = [], ...cookie }) =>
      previousCookies.every(previous => !isSameCookie(previous, cookie)),
    'previousCookies names the cookie that is in use, so a login would clear the cookie that it sets. Remove it from the list',
  ),
)

interface CookieIdentity {
  readonly name?: string | undefined
  readonly path?: string | undefined
  readonly domain?: string | undefined
}

/** Whether an earlier cookie is the cookie in use: same name, path and domain (RFC 6265 5.3). */
function isSameCookie(previous: CookieIdentity, inUse: CookieIdentity): boolean {
  const toDomain = ({ domain }: CookieIdentity): string | undefined =>
    domain?.toLowerCase().replace(/^\./, '')
  return (
    previous.name === toRefreshCookieName(inUse) &&
    (previous.path ?? '/') === (inUse.path ?? '/') &&
    toDomain(previous) === toDomain(inUse)
  )
}

const throttle = optionsObject(THROTTLE, {
  accountAndAddressFailures: v.optional(whole(1, 100), 10),
  addressFailures: v.optional(whole(1, 1_000_000), 100),
  windowSeconds: v.optional(whole(1, DAY_SECONDS), 15 * 60),
  accountFailures: v.optional(whole(1, 100), 100),
})

const hooks = optionsObject('write { beforeLogin, createCustomData, afterLogin, … }', {
  beforeLogin: v.optional(callback),
  createCustomData: v.optional(callback),
  afterLogin: v.optional(callback),
  afterRefresh: v.optional(callback),
  afterLogout: v.optional(callback),
  afterDelete: v.optional(callback),
})

/** Options of sessions, logins and writes. */
export const sessionOptions = {
  sessionCollection: v.optional(collectionNamed('custom_user_data_sessions')),
  refreshTokenTtlSeconds: v.optional(whole(30 * 60, MAX_REFRESH_TOKEN_TTL_SECONDS), 60 * DAY_SECONDS),
  refreshTokenIdleSeconds: v.optional(whole(60, MAX_REFRESH_TOKEN_TTL_SECONDS)),
  maxSessionsPerUser: v.optional(maxSessions, 100),
  rotateRefreshTokens: v.optional(trueOrFalse, true),
  reuseWindowSeconds: v.optional(whole(0, 60)),
  sessionSecrets: v.optional(
    v.pipe(v.array(secret, 'write a list of secrets'), v.minLength(1, 'write one secret or more')),
  ),
  refreshTokenTransport: v.optional(
    objectOr(optionsObject(TRANSPORT, { cookie: refreshCookie }), v.picklist(['body', 'cookie'], TRANSPORT)),
    'body',
  ),
  sessionCheckIntervalMs: v.optional(whole(0, DAY_SECONDS * 1000)),
  loginAttemptCollection: v.optional(collectionNamed('custom_user_data_login_attempts')),
  loginThrottle: v.optional(objectOr(throttle, v.literal(false, THROTTLE)), {}),
  hooks: v.optional(hooks, {}),
  sessionTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 3_000),
  writeTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 3_000),
  verifyCredentialsTimeoutMs: v.optional(whole(1, MAX_TIMER_MS), 10_000),
}
