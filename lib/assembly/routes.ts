import type { CustomUserData } from '../instance.js'
import { AddressLimit } from '../login/address-limit.js'
import { LoginFlow } from '../login/login-flow.js'
import { MadeUpTokens } from '../login/made-up-tokens.js'
import { refuseArguments } from '../options/arguments.js'
import { parseRefreshOptions } from '../options/logins.js'
import { createJwksRoute } from '../routes/jwks.js'
import { createLoginRoute } from '../routes/login.js'
import { createOwnDataRouter } from '../routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from '../routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from '../routes/refresh-and-logout.js'
import type { RefreshTransport } from '../routes/refresh-transport.js'
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
  transport: RefreshTransport,
): Routes {
  const { sessions, hooks, writer } = logins
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
  const refreshParts = { sessions, madeUpTokens, transport, hooks, failures, events }
  return {
    login(verifyCredentials, options) {
      needOwn(logins.tokenIssuer, 'login()')
      rights.add('login()', 'sessions', 'find', 'insert', 'update', 'remove')
      if (loginThrottle) rights.add('loginThrottle', 'login_attempts', 'find', 'insert', 'update')
      const flowFor = (extendedJson = config.extendedJson): LoginFlow => {
        const issuer = logins.tokenIssuerFor(extendedJson, 'login(): option "extendedJson"')
        return new LoginFlow(config, { ...logins, tokenIssuer: needOwn(issuer, 'login()') })
      }
      return createLoginRoute({ flowFor, transport, failures }, verifyCredentials, options)
    },
    refresh(options) {
      needOwn(logins.tokenIssuer, 'refresh()')
      rights.add('refresh()', 'sessions', 'find', 'update')
      const { extendedJson = config.extendedJson } = parseRefreshOptions(options)
      const issuer = logins.tokenIssuerFor(extendedJson, 'refresh(): option "extendedJson"')
      return createRefreshRoute(needOwn(issuer, 'refresh()'), refreshParts)
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
      return createOwnSessionsRouter({ sessions, requestUsers, transport, hooks, events })
    },
    ownData: options =>
      createOwnDataRouter(
        config,
        { documents, writer, requestUsers, bson: database.bson, events, noteRights: noteRightsOfOwnData },
        options,
      ),
    jwks(...given) {
      refuseArguments('jwks()', given)
      return createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet)
    },
  }
}
