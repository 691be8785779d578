import { randomUUID } from 'node:crypto'
import express from 'express'
import type { Express } from 'express'
import { App, getEnvironment } from 'realm-web'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { AppServices, AppServicesOptions } from 'express-custom-user-data/app-services'
import type { CustomUserData, CustomUserDataOptions } from 'express-custom-user-data'
import { onTestFinished } from 'vitest'
import type { TestDatabase } from '../../support/database.js'
import { serve } from '../../support/http-server.js'
import { createTestUserData } from '../../support/user-data.js'

export const APP_ID = 'application-0-abcde'

/** A request that reached the server. */
export interface SeenRequest {
  /** For example `POST /auth/session`: without the part of the path that all requests have. */
  readonly name: string
  readonly status: () => number
  /** Whether the answer has not ended yet. */
  readonly isOpen: () => boolean
}

/** A running service, and unmodified clients of it. */
export interface RealmService {
  readonly origin: string
  /** The address that clients are given. */
  readonly baseUrl: string
  readonly userData: CustomUserData<Readonly<Record<string, unknown>>>
  readonly appServices: AppServices
  /** The requests so far, oldest first. */
  readonly requests: SeenRequest[]
  /** The messages of failures that the service has reported, oldest first. */
  readonly reports: string[]
  /** Creates a client with a storage of its own, as another device has it. */
  readonly newClient: () => App
  /** Creates a client that shares the storage of others with this name, as tabs of one browser do. */
  readonly newTab: (browser: string) => App
}

export interface RealmServiceOptions {
  /** Further options of the service. */
  readonly service?: Partial<AppServicesOptions>
  /** Further options of the instance. */
  readonly instance?: Partial<CustomUserDataOptions<Record<string, unknown>>>
  /** The path that the router is mounted at. */
  readonly mountPath?: string
  /** Mounts other middleware before the router. */
  readonly before?: (app: Express) => void
}

/** Starts an app with the router, and stops it at the end of the test. */
export async function startRealmService(
  database: Pick<TestDatabase, 'db'>,
  options: RealmServiceOptions = {},
): Promise<RealmService> {
  const service = await startRealmServer(database, options)
  onTestFinished(service.close)
  return service
}

/** Starts an app with the router. The caller stops it. */
export async function startRealmServer(
  database: Pick<TestDatabase, 'db'>,
  { service, instance, mountPath = '/realm', before }: RealmServiceOptions = {},
): Promise<RealmService & { readonly close: () => Promise<void> }> {
  const app = express()
  const requests: SeenRequest[] = []
  app.use((req, res, next) => {
    const path = req.originalUrl.split('?')[0] ?? ''
    const name = path.replace(/^.*\/api\/client\/v2\.0(\/app\/[^/]+)?/, '')
    requests.push({
      name: `${req.method} ${name}`,
      status: () => res.statusCode,
      isOpen: () => !res.writableFinished && !res.destroyed,
    })
    next()
  })
  before?.(app)
  const server = await serve(app)
  const { origin } = server
  const baseUrl = `${origin}${mountPath}`
  const userData = createTestUserData(database, { userDataInToken: 'canonical', ...instance })
  const reports: string[] = []
  userData.events.on('request_failed', ({ message }) => reports.push(message))
  const appServices = createAppServices({
    userData,
    database: database.db,
    appId: APP_ID,
    hostname: baseUrl,
    providers: { anonymous: true },
    ...service,
  })
  app.use(mountPath, appServices.router())
  const newTab = (browser: string) =>
    new App({ id: APP_ID, baseUrl, storage: getEnvironment().defaultStorage.prefix(browser) })
  return {
    origin,
    baseUrl,
    userData,
    appServices,
    requests,
    reports,
    newTab,
    newClient: () => newTab(randomUUID()),
    async close() {
      await server.close()
      await userData.close()
    },
  }
}
