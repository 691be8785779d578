import { AfterAnswers } from './after-answers.js'
import { createCollectionServices } from './collections/collection-services.js'
import { createApiKeys } from './account/api-keys/create-api-keys.js'
import { apiKeyRoutes } from './account/api-keys/api-key-routes.js'
import { EmailAccounts } from './account/email-password/email-accounts.js'
import { emailAccountCleaner } from './account/email-password/email-account-cleaner.js'
import { emailPasswordProvider } from './account/email-password/email-provider.js'
import { emailPasswordRoutes } from './account/email-password/email-routes.js'
import { EventStreams } from './functions/event-streams.js'
import { functionRoutes } from './functions/functions.js'
import type { AppServicesOptions } from './options.js'
import { OwnCollections } from './own-collections.js'
import { parseAppServicesOptions } from './parse-options.js'
import type { Parts } from './parts.js'
import { anonymousProvider } from './providers/anonymous.js'
import { apiKeyProvider } from './providers/api-key.js'
import { customFunctionProvider } from './providers/custom-function.js'
import { customTokenProvider } from './providers/custom-token.js'
import { loginRoutes } from './providers/login.js'
import type { Provider } from './providers/provider.js'
import { locationRoute } from './router/location.js'
import type { Route } from './router/routes.js'
import { sessionRoutes } from './router/sessions.js'
import { Triggers } from './triggers/triggers.js'
import { userRoutes } from './users/user-routes.js'
import { UserStore } from './users/user-store.js'
import { ExtendedJson } from './wire/extended-json.js'

/** Creates and connects the parts. Nothing is sent to MongoDB yet. */
export function assemble(options: AppServicesOptions): Parts {
  const config = parseAppServicesOptions(options)
  const { userData, timeoutMs } = config
  const now = () => userData.settings.clock.now()
  const bson = () => userData.bson()
  const report: Parts['report'] = (error, req) => {
    userData.reportFailure(error, req)
  }
  const collections = new OwnCollections(config.database)
  const afterAnswers = new AfterAnswers()
  const find = (name: Parameters<OwnCollections['find']>[0]) => () => collections.find(name)
  const emailAccounts = new EmailAccounts({ find: find('emailAccounts'), userData, timeoutMs, now })
  const apiKeys = config.providers.apiKey
    ? createApiKeys({ find: find('apiKeys'), bson, now, userData, timeoutMs })
    : undefined
  return {
    config,
    userData,
    bson,
    now,
    report,
    extendedJson: new ExtendedJson(bson),
    users: new UserStore({ find: find('users'), bson, timeoutMs, now }),
    emailAccounts,
    apiKeys,
    userCleaners: [emailAccountCleaner(emailAccounts), ...(apiKeys ? [apiKeys.clean] : [])],
    afterAnswers,
    triggers: new Triggers(config.triggers, { bson, now, report, afterAnswers }),
    streams: new EventStreams({ config, userData, now, report }),
  }
}

/** The routes of the client protocol that the options turn on. */
export function routesOf(parts: Parts): Route[] {
  return [
    locationRoute(parts),
    ...sessionRoutes(parts),
    ...userRoutes(parts),
    ...loginRoutes(providersOf(parts), parts),
    ...emailPasswordRoutes(parts),
    ...functionRoutes(parts, createCollectionServices(parts)),
    ...apiKeyRoutes(parts),
  ]
}

function providersOf(parts: Parts): Provider[] {
  const { userData, config, apiKeys } = parts
  const { anonymous, emailPassword, customToken, customFunction } = config.providers
  return [
    ...(anonymous ? [anonymousProvider()] : []),
    ...(emailPassword ? [emailPasswordProvider(parts)] : []),
    ...(apiKeys ? [apiKeyProvider(apiKeys)] : []),
    ...(customToken ? [customTokenProvider(customToken, { userData, appId: config.appId })] : []),
    ...(customFunction ? [customFunctionProvider(customFunction, parts)] : []),
  ]
}
