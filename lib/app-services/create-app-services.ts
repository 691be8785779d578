import type { AppServices } from './app-services.js'
import { assemble, routesOf } from './assemble.js'
import { addEmailAccount } from './account/email-password/add-email-account.js'
import type { AppServicesOptions } from './options.js'
import { createRouter } from './router/router.js'
import { userFunctions } from './users/user-functions.js'

/** How long `close()` waits for triggers and mails. */
const CLOSING_MS = 5_000

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
      const { userData, users, emailAccounts, apiKeys, config } = parts
      const usesEmail = config.providers.emailPassword !== undefined
      await Promise.all([
        userData.ready(),
        users.ready(),
        usesEmail && emailAccounts.ready(),
        apiKeys?.store.ready(),
      ])
    },
    async close() {
      parts.streams.close()
      await parts.afterAnswers.finish(CLOSING_MS)
    },
    addEmailAccount: account => addEmailAccount(account, parts),
    ...userFunctions(parts),
  }
}
