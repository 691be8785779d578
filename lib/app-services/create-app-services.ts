import type { Router } from 'express'
import type { AppServices } from './app-services.js'
import { createApiKeys } from './api-keys/create-api-keys.js'
import { apiKeyRoutes } from './api-keys/api-key-routes.js'
import { OwnCollections } from './own-collections.js'
import type { AppServicesOptions } from './options.js'
import { parseAppServicesOptions } from './parse-options.js'
import type { Parts } from './parts.js'
import { anonymousProvider } from './providers/anonymous.js'
import { apiKeyProvider } from './providers/api-key.js'
import { loginRoutes } from './providers/login.js'
import type { Provider } from './providers/provider.js'
import { locationRoute } from './router/location.js'
import { createRouter } from './router/router.js'
import { sessionRoutes } from './router/sessions.js'
import { createTriggers } from './triggers/triggers.js'
import { userFunctions } from './users/user-functions.js'
import { userRoutes } from './users/user-routes.js'
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
  return {
    router: () => createRouter(routesOf(parts), parts) satisfies Router,
    async ready() {
      await Promise.all([parts.userData.ready(), parts.users.ready(), parts.apiKeys?.store.ready()])
    },
    ...userFunctions(parts),
  }
}

function assemble(options: AppServicesOptions): Parts {
  const config = parseAppServicesOptions(options)
  const { userData, timeoutMs } = config
  const now = () => userData.settings.clock.now()
  const bson = () => userData.bson()
  const report: Parts['report'] = (error, req) => {
    console.error(error, req?.originalUrl) // replaced by reportFailure()
  }
  const collections = new OwnCollections(config.database)
  const find = () => collections.find('apiKeys')
  const apiKeys = config.providers.apiKey
    ? createApiKeys({ find, bson, now, userData, timeoutMs })
    : undefined
  return {
    config,
    userData,
    bson,
    now,
    report,
    extendedJson: new ExtendedJson(bson),
    users: new UserStore({ find: () => collections.find('users'), bson, timeoutMs, now }),
    apiKeys,
    userCleaners: [...(apiKeys ? [apiKeys.clean] : [])],
    triggers: createTriggers(config.triggers, { now, report }),
  }
}

function routesOf(parts: Parts) {
  return [
    locationRoute(parts),
    ...sessionRoutes(parts),
    ...loginRoutes(providersOf(parts), parts),
    ...userRoutes(parts),
    ...(parts.apiKeys ? apiKeyRoutes(parts.apiKeys, parts) : []),
  ]
}

function providersOf({ config: { providers }, apiKeys }: Parts): Provider[] {
  return [
    ...(providers.anonymous ? [anonymousProvider()] : []),
    ...(apiKeys ? [apiKeyProvider(apiKeys)] : []),
  ]
}
