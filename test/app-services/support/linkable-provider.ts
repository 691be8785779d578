import { EmailAccounts } from '../../../lib/app-services/email-password/email-accounts.js'
import type { Express, RequestHandler } from 'express'
import { parseAppServicesOptions } from '../../../lib/app-services/parse-options.js'
import type { Parts } from '../../../lib/app-services/parts.js'
import { loginRoutes } from '../../../lib/app-services/providers/login.js'
import type { Provider } from '../../../lib/app-services/providers/provider.js'
import { createRouter } from '../../../lib/app-services/router/router.js'
import { createTriggers } from '../../../lib/app-services/triggers/triggers.js'
import { UserStore } from '../../../lib/app-services/users/user-store.js'
import { ExtendedJson } from '../../../lib/app-services/wire/extended-json.js'
import type { TestDatabase } from '../../support/database.js'
import { APP_ID, startRealmService } from './realm-service.js'
import type { RealmService, RealmServiceOptions } from './realm-service.js'

/** The password of everybody, for `Credentials.function({ name, password })`. */
export const PASSWORD = 'correct horse'

/** Verifies credentials of a login or a link. `null`: they are wrong. */
type Verify = Parameters<typeof provide>[0]

/** Starts a service with a provider of its own: `Credentials.function({ name, password })` is the identity `name`. */
export async function startLinkService(
  database: Pick<TestDatabase, 'db'>,
  options: RealmServiceOptions = {},
  verify: Verify = (name, password) => Promise.resolve(password === PASSWORD ? { name } : null),
): Promise<RealmService> {
  const mounted: { login?: RequestHandler } = {}
  const service = await startRealmService(database, {
    ...options,
    before(app: Express) {
      options.before?.(app)
      app.use('/realm', (req, res, next) => {
        if (req.path.includes('/auth/providers/custom-function/')) mounted.login?.(req, res, next)
        else next()
      })
    },
  })
  const parts = partsOf(service, database)
  mounted.login = createRouter(loginRoutes([provide(verify)], parts), parts)
  return service
}

function provide(
  verify: (name: string, password: string) => Promise<{ readonly name: string } | null>,
): Provider {
  return {
    type: 'custom-function',
    userType: 'normal',
    isLinkable: true,
    refusal: 'invalid name or password',
    read: ({ body }) => ({
      account: `test:${String(body['name'])}`,
      async verify() {
        const verified = await verify(String(body['name']), String(body['password']))
        return (
          verified && { providerType: 'custom-function', id: verified.name, data: { name: verified.name } }
        )
      },
    }),
  }
}

function partsOf({ userData, baseUrl }: RealmService, { db }: Pick<TestDatabase, 'db'>): Parts {
  const config = parseAppServicesOptions({
    userData,
    database: db,
    appId: APP_ID,
    hostname: baseUrl,
    providers: {},
  })
  const now = () => userData.settings.clock.now()
  const bson = () => userData.bson()
  const report = (error: unknown) => {
    console.error(error)
  }
  const find = () => db.collection('custom_user_data_app_services_users')
  return {
    config,
    userData,
    users: new UserStore({ find, bson, timeoutMs: config.timeoutMs, now }),
    emailAccounts: new EmailAccounts({
      find: () => db.collection('custom_user_data_app_services_email_accounts'),
      userData,
      timeoutMs: config.timeoutMs,
      now,
    }),
    apiKeys: undefined,
    userCleaners: [],
    triggers: createTriggers([], { now, report }),
    extendedJson: new ExtendedJson(bson),
    bson,
    now,
    report,
  }
}
