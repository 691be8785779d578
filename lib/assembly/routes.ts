import type { CustomUserData } from '../instance.js'
import { AddressLimit } from '../login/address-limit.js'
import { LoginFlow } from '../login/login-flow.js'
import { MadeUpTokens } from '../login/made-up-tokens.js'
import { refuseArguments } from '../options/arguments.js'
import { createJwksRoute } from '../routes/jwks.js'
import { createLoginRoute } from '../routes/login.js'
import { createOwnDataRouter } from '../routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from '../routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from '../routes/refresh-and-logout.js'
import { createRefreshTransport } from '../routes/refresh-transport.js'
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
  { config, clock, database, events, rights }: Core,
  { ownKeys }: AccessTokens,
  { documents }: Documents,
  { requestUsers, failures }: GuardParts,
  logins: Logins,
): Routes {
  const { sessions, hooks, writer } = logins
  const transport = createRefreshTransport(config.refreshTokenTransport, config.refreshTokenTtlSeconds)
  const { loginThrottle } = config
  function noteRightsOfOwnData(mayCreate: boolean): void {
    rights.add('ownData()', 'custom_data', 'find', 'update')
    if (mayCreate) rights.add('ownData({ upsert })', 'custom_data', 'insert')
  }
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
      rights.add('login()', 'sessions', 'find', 'insert', 'update', 'remove')
      if (loginThrottle) rights.add('loginThrottle', 'login_attempts', 'find', 'insert', 'update')
      const flow = new LoginFlow(config, { ...logins, tokenIssuer })
      return createLoginRoute({ flow, transport, failures }, verifyCredentials, options)
    },
    refresh(...given) {
      refuseArguments('refresh()', given)
      rights.add('refresh()', 'sessions', 'find', 'update')
      return createRefreshRoute(needOwn(logins.tokenIssuer, 'refresh()'), refreshParts)
    },
    logout(...given) {
      refuseArguments('logout()', given)
      rights.add('logout()', 'sessions', 'find', 'update')
      return createLogoutRoute(refreshParts)
    },
    logoutAll(...given) {
      refuseArguments('logoutAll()', given)
      rights.add('logoutAll()', 'sessions', 'find', 'insert', 'update')
      return createLogoutAllRoute({ sessions, requestUsers, transport, hooks })
    },
    ownSessions(...given) {
      refuseArguments('ownSessions()', given)
      rights.add('ownSessions()', 'sessions', 'find', 'update')
      return createOwnSessionsRouter({ sessions, requestUsers, transport, hooks })
    },
    ownData: options =>
      createOwnDataRouter(
        config,
        { documents, writer, requestUsers, bson: database.bson, noteRights: noteRightsOfOwnData },
        options,
      ),
    jwks(...given) {
      refuseArguments('jwks()', given)
      return createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet)
    },
  }
}
