import type { CustomUserData } from '../instance.js'
import { AddressLimit } from '../login/address-limit.js'
import { LoginFlow } from '../login/login-flow.js'
import { MadeUpTokens } from '../login/made-up-tokens.js'
import { refuseArguments } from '../options/arguments.js'
import { createJwksRoute } from '../routes/jwks.js'
import { createKeptCookieCheck } from '../routes/kept-cookie.js'
import { createLoginRoute } from '../routes/login.js'
import { createOwnDataRouter } from '../routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from '../routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from '../routes/refresh-and-logout.js'
import { createCookieTransport } from '../routes/refresh-cookie.js'
import { createBodyTransport } from '../routes/refresh-transport.js'
import { needOwn } from './access-tokens.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { GuardParts } from './guards.js'
import type { Logins } from './logins.js'

/** The methods of an instance that create routes. */
type Routes = Pick<
  CustomUserData<object>,
  'login' | 'refresh' | 'logout' | 'logoutAll' | 'ownSessions' | 'ownData' | 'jwks'
>

/** Creates the factories of an instance's routes. */
export function createRoutes(
  { config, clock, database, events }: Core,
  { ownKeys }: AccessTokens,
  { documents }: Documents,
  { requestUsers, requireKnownOrigin, accessCookie, failures }: GuardParts,
  logins: Logins,
): Routes {
  const { sessions, hooks, writer } = logins
  const { refreshCookie } = config
  const transport = refreshCookie
    ? createCookieTransport(
        refreshCookie,
        requireKnownOrigin,
        createKeptCookieCheck(refreshCookie, events),
        accessCookie,
      )
    : createBodyTransport(accessCookie)
  const { loginThrottle } = config
  const limit = loginThrottle
    ? new AddressLimit(
        { failures: loginThrottle.addressFailures, windowMs: loginThrottle.windowSeconds * 1000 },
        clock,
      )
    : undefined
  const madeUpTokens = new MadeUpTokens({ sessions, limit, events })
  const refreshParts = { sessions, madeUpTokens, transport, hooks, failures }
  return {
    login(verifyCredentials, options) {
      const tokenIssuer = needOwn(logins.tokenIssuer, 'login()')
      const flow = new LoginFlow(config, { ...logins, tokenIssuer })
      return createLoginRoute({ flow, transport, failures }, verifyCredentials, options)
    },
    refresh(...given) {
      refuseArguments('refresh()', given)
      return createRefreshRoute(needOwn(logins.tokenIssuer, 'refresh()'), refreshParts)
    },
    logout(...given) {
      refuseArguments('logout()', given)
      return createLogoutRoute(refreshParts)
    },
    logoutAll(...given) {
      refuseArguments('logoutAll()', given)
      return createLogoutAllRoute({ sessions, requestUsers, transport, hooks })
    },
    ownSessions(...given) {
      refuseArguments('ownSessions()', given)
      return createOwnSessionsRouter({ sessions, requestUsers, transport, hooks })
    },
    ownData: options =>
      createOwnDataRouter(config, { documents, writer, requestUsers, bson: database.bson }, options),
    jwks(...given) {
      refuseArguments('jwks()', given)
      return createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet)
    },
  }
}
