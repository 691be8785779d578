import { createKeptCookieCheck } from '../routes/kept-cookie.js'
import { withAccessCookie } from '../routes/access-transport.js'
import { createCookieTransport } from '../routes/refresh-cookie.js'
import { createBodyTransport } from '../routes/refresh-transport.js'
import type { RefreshTransport } from '../routes/refresh-transport.js'
import type { Core } from './core.js'
import type { GuardParts } from './guards.js'

/** Creates the way in which tokens travel between clients and the routes: in the JSON or in cookies. */
export function createTransport(
  { config, events }: Pick<Core, 'config' | 'events'>,
  { requireKnownOrigin, accessCookie }: GuardParts,
): RefreshTransport {
  const own = config.accessCookie
  // A cookie of the app is only cleared, at a login too. A cookie of our own is set at a login.
  const clearedOnly = own ? undefined : accessCookie
  const refresh = config.refreshCookie
  const transport = refresh
    ? createCookieTransport(
        refresh,
        requireKnownOrigin,
        createKeptCookieCheck('refresh token', refresh, events),
        clearedOnly,
      )
    : createBodyTransport(clearedOnly, requireKnownOrigin)
  if (!own || !accessCookie) return transport
  const keptCookie = createKeptCookieCheck('access token', own, events)
  return withAccessCookie(transport, own, { accessCookie, requireKnownOrigin, keptCookie })
}
