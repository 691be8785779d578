/** Makes the mistakes in the set-up that the guide to the switch lists, with the unmodified client. */
import express from 'express'
import type { Express } from 'express'
import { App, Credentials } from 'realm-web'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { AppServicesOptions } from 'express-custom-user-data/app-services'
import type { CustomUserData } from 'express-custom-user-data'
import { describe, expect, it, onTestFinished } from 'vitest'
import { APP_ID } from '../app-services/support/realm-service.js'
import { useDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'
import { createTestUserData } from '../support/user-data.js'
import { readPage } from './markdown.js'

const database = useDatabase()
const PAGE = 'docs/app-services-switch.md'

interface Mistake {
  readonly hostname?: (origin: string) => string
  readonly service?: Partial<AppServicesOptions>
  readonly before?: (app: Express, userData: CustomUserData<object>) => void
}

/** Starts an app with a mistake, and creates a client of it. */
async function startWith({ hostname, service, before }: Mistake): Promise<App> {
  const app = express()
  const server = await serve(app)
  onTestFinished(() => server.close())
  const userData = createTestUserData(database, { userIdField: 'owner_id', userDataInToken: 'canonical' })
  onTestFinished(() => userData.close())
  const appServices = createAppServices({
    userData,
    database: database.db,
    appId: APP_ID,
    hostname: hostname?.(server.origin) ?? `${server.origin}/realm`,
    providers: { anonymous: true },
    ...service,
  })
  before?.(app, userData)
  app.use('/realm', appServices.router())
  app.use(userData.errorHandler())
  return new App({ id: APP_ID, baseUrl: `${server.origin}/realm` })
}

const logIn = (app: App) => app.logIn(Credentials.anonymous(false))
const names = { database: 'app', collection: 'custom_user_data' }
const role = { name: 'owner', apply_when: { user_id: '%%user.id' }, read: true, write: true }

async function findDocument(app: App, collection = 'custom_user_data'): Promise<unknown> {
  const user = await logIn(app)
  return user.mongoClient('mongodb-atlas').db('app').collection(collection).findOne()
}

const MISTAKES: readonly [string, Mistake, (app: App) => Promise<unknown>, object][] = [
  [
    '401 at `/location`',
    { before: (app, userData) => app.use(userData.authenticate()) },
    logIn,
    { statusCode: 401, url: expect.stringMatching(/\/location$/) as string },
  ],
  [
    '413 without `errorCode`',
    { before: app => app.use(express.json({ limit: 10 })) },
    logIn,
    { statusCode: 413, errorCode: undefined },
  ],
  [
    '404 without `errorCode`, after `/location`',
    { hostname: origin => `${origin}/other` },
    logIn,
    { statusCode: 404, errorCode: undefined },
  ],
  [
    '404 `BadRequest`, there is no route',
    { hostname: origin => `${origin}/realm/api/client/v2.0` },
    logIn,
    {
      statusCode: 404,
      errorCode: 'BadRequest',
      error: expect.stringContaining('there is no route') as string,
    },
  ],
  [
    '404 `BadRequest`, cannot find an app',
    { service: { appId: 'application-1-fghij' } },
    logIn,
    {
      statusCode: 404,
      errorCode: 'BadRequest',
      error: expect.stringContaining('cannot find an app') as string,
    },
  ],
  [
    '404 `AuthProviderNotFound`',
    { service: { providers: {} } },
    logIn,
    { statusCode: 404, errorCode: 'AuthProviderNotFound' },
  ],
  [
    '403 `NoMatchingRuleFound`, always',
    { service: { customData: { ...names, rules: { ...names, roles: [role] } } } },
    findDocument,
    { statusCode: 403, errorCode: 'NoMatchingRuleFound' },
  ],
  [
    '403 `NoMatchingRuleFound`, always',
    { service: { customData: { ...names, rules: 'read' } } },
    app => findDocument(app, 'other'),
    { statusCode: 403, errorCode: 'NoMatchingRuleFound' },
  ],
]

describe('the guide to the switch names what each mistake in the set-up looks like', () => {
  it.each(MISTAKES)('%s (case %#)', async (symptom, mistake, use, error) => {
    expect(readPage(PAGE)).toContain(`- **${symptom}:**`)
    await expect(use(await startWith(mistake))).rejects.toMatchObject(error)
  })

  it('without a mistake none of them is seen', async () => {
    const app = await startWith({ service: { customData: { ...names, rules: 'read' } } })
    expect(await findDocument(app)).toBeNull()
  })
})
