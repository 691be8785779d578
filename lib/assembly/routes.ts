import type { CustomUserData } from '../instance.js'
import { refuseArguments } from '../options/arguments.js'
import { parseLogoutOptions, parseRefreshOptions } from '../options/logins.js'
import { createJwksRoute } from '../routes/jwks.js'
import { createLoginRoute } from '../routes/login.js'
import { createOwnDataRouter } from '../routes/own-data.js'
import { createLogoutAllRoute, createOwnSessionsRouter } from '../routes/own-sessions.js'
import { createLogoutRoute, createRefreshRoute } from '../routes/refresh-and-logout.js'
import type { RefreshTransport } from '../routes/refresh-transport.js'
import type { ExtendedJsonFormat } from '../token-data/extended-json.js'
import { needOwn } from './access-tokens.js'
import type { AccessTokens } from './access-tokens.js'
import type { Core } from './core.js'
import type { Documents } from './documents.js'
import type { GuardParts } from './guards.js'
import type { Logins } from './logins.js'
import type { SessionParts } from './sessions.js'

/** The methods of an instance that create routes. */
type Routes = Pick<
  CustomUserData<object>,
  'login' | 'refresh' | 'logout' | 'logoutAll' | 'ownSessions' | 'ownData' | 'jwks'
>

/** Creates the factories of an instance's routes. */
export function createRoutes(
  { config, database, events, rights, handlers, operations }: Core,
  { ownKeys }: AccessTokens,
  { documents }: Documents,
  { requestUsers, failures }: GuardParts,
  { use }: SessionParts,
  logins: Logins,
  transport: RefreshTransport,
): Routes {
  const { sessions, userSessions, hooks, writer, endSessions } = logins
  const { refreshTokenField, loginThrottle, verifyCredentialsTimeoutMs: timeoutMs } = config
  function noteRightsOfOwnData(mayCreate: boolean): void {
    rights.add('ownData()')
    if (mayCreate) rights.add('ownData({ upsert })')
  }
  return {
    login(verifyCredentials, options) {
      needOwn(logins.tokenIssuer, 'login()')
      rights.add('login()')
      if (loginThrottle) rights.add('loginThrottle')
      const flowFor = (format?: ExtendedJsonFormat | false) => logins.loginFlowFor('login()', format)
      return handlers.add(
        'login',
        createLoginRoute({ flowFor, transport, failures, operations, config }, verifyCredentials, options),
      )
    },
    refresh(options) {
      needOwn(logins.tokenIssuer, 'refresh()')
      rights.add('refresh()')
      const {
        extendedJson,
        answer,
        refreshTokenField: field = refreshTokenField,
      } = parseRefreshOptions(options)
      const flow = logins.refreshFlowFor('refresh()', extendedJson)
      return handlers.add(
        'refresh',
        createRefreshRoute({ flow, transport, failures, operations, field, answer, timeoutMs }),
      )
    },
    logout(options) {
      const { refreshTokenField: field = refreshTokenField } = parseLogoutOptions(options)
      use.begin()
      rights.add('logout()')
      return createLogoutRoute({ endSessions, transport, failures, operations, field })
    },
    logoutAll(...given) {
      refuseArguments('logoutAll()', given)
      use.begin()
      rights.add('logoutAll()')
      return handlers.add(
        'user',
        createLogoutAllRoute({ userSessions, requestUsers, transport, hooks, operations }),
      )
    },
    ownSessions(...given) {
      refuseArguments('ownSessions()', given)
      use.begin()
      rights.add('ownSessions()')
      return handlers.add(
        'user',
        createOwnSessionsRouter({ sessions, requestUsers, transport, hooks, events, handlers }),
      )
    },
    ownData: options =>
      handlers.add(
        'user',
        createOwnDataRouter(
          config,
          { documents, writer, requestUsers, bson: database.bson, events, noteRights: noteRightsOfOwnData },
          options,
        ),
      ),
    jwks(...given) {
      refuseArguments('jwks()', given)
      return createJwksRoute(needOwn(ownKeys, 'jwks()').toJwkSet)
    },
  }
}
