import type { AppServices } from './app-services.js'
import { addEmailAccount } from './email-password/add-email-account.js'
import { EmailAccounts } from './email-password/email-accounts.js'
import { emailPasswordProvider } from './email-password/email-provider.js'
import { emailPasswordRoutes } from './email-password/email-routes.js'
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
      const { userData, users, emailAccounts, config } = parts
      const usesEmail = config.providers.emailPassword !== undefined
      await Promise.all([userData.ready(), users.ready(), usesEmail && emailAccounts.ready()])
    },
    addEmailAccount: account => addEmailAccount(account, parts),
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
    emailAccounts: new EmailAccounts({
      find: () => collections.find('emailAccounts'),
      userData,
      timeoutMs,
      now,
    }),
    triggers: createTriggers(config.triggers, { now, report }),
  }
}

function routesOf(parts: Parts) {
  return [
    locationRoute(parts),
    ...sessionRoutes(parts),
    ...loginRoutes(providersOf(parts), parts),
    ...emailPasswordRoutes(parts),
  ]
}

function providersOf(parts: Parts): Provider[] {
  const { userData, config } = parts
  const { anonymous, emailPassword, customToken } = config.providers
  return [
    ...(anonymous ? [anonymousProvider()] : []),
    ...(emailPassword ? [emailPasswordProvider(parts)] : []),
    ...(customToken ? [customTokenProvider(customToken, { userData, appId: config.appId })] : []),
  ]
}
