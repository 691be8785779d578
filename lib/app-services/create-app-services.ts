import type { AppServices } from './app-services.js'
import { OwnCollections } from './own-collections.js'
import type { AppServicesOptions } from './options.js'
import { parseAppServicesOptions } from './parse-options.js'
import type { Parts } from './parts.js'
import { anonymousProvider } from './providers/anonymous.js'
import { customTokenProvider } from './providers/custom-token.js'
import { loginRoutes } from './providers/login.js'
import type { Provider } from './providers/provider.js'
import { locationRoute } from './router/location.js'
import { createRouter } from './router/router.js'
import { sessionRoutes } from './router/sessions.js'
import { createTriggers } from './triggers/triggers.js'
import { UserStore } from './users/user-store.js'
import { ExtendedJson } from './wire/extended-json.js'

/**
 * Creates a service that speaks the client protocol of MongoDB App Services, for clients of `realm-web` in the field. It
 * issues the tokens of the instance, so guards of the instance accept them too.
 *
 * @throws OptionError for a wrong, missing or unknown option
 * @example
 * const appServices = createAppServices({
 *   userData,
 *   database: client.db('app'),
 *   appId: 'application-0-abcde',
 *   hostname: 'https://api.example.com/realm',
 *   providers: { anonymous: true },
 * })
 * app.use('/realm', appServices.router())
 */
export function createAppServices(options: AppServicesOptions): AppServices {
  const parts = assemble(options)
  // The options of providers are checked here, and not when the router is mounted.
  const routes = routesOf(parts)
  return {
    router: () => createRouter(routes, parts),
    async ready() {
      await Promise.all([parts.userData.ready(), parts.users.ready()])
    },
  }
}

function assemble(options: AppServicesOptions): Parts {
  const config = parseAppServicesOptions(options)
  const { userData, timeoutMs } = config
  const now = () => userData.settings.clock.now()
  const bson = () => userData.bson()
  const report: Parts['report'] = (error, req) => {
    userData.reportFailure(error, req)
  }
  const collections = new OwnCollections(config.database)
  return {
    config,
    userData,
    bson,
    now,
    report,
    extendedJson: new ExtendedJson(bson),
    users: new UserStore({ find: () => collections.find('users'), bson, timeoutMs, now }),
    triggers: createTriggers(config.triggers, { now, report }),
  }
}

function routesOf(parts: Parts) {
  return [locationRoute(parts), ...sessionRoutes(parts), ...loginRoutes(providersOf(parts), parts)]
}

function providersOf({ config, userData }: Parts): Provider[] {
  const { anonymous, customToken } = config.providers
  return [
    ...(anonymous ? [anonymousProvider()] : []),
    ...(customToken ? [customTokenProvider(customToken, { userData, appId: config.appId })] : []),
  ]
}
