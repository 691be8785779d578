import { join } from 'node:path'
import express from 'express'
import type { BrowserContext, Page } from 'playwright-core'
import type * as RealmWeb from 'realm-web'
import { onTestFinished } from 'vitest'
import { APP_ID, startRealmService } from '../app-services/support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../app-services/support/realm-service.js'
import type { TestDatabase } from '../support/database.js'
import { serve } from '../support/http-server.js'

/** The client as a page without a build step loads it. */
const BUNDLE = join(__dirname, '../../node_modules/realm-web/dist/bundle.iife.js')

declare global {
  // The scripts of the page.
  const realmWeb: typeof RealmWeb
  const app: RealmWeb.App
  /** Makes a call that must fail. Resolves to what a script can read of the error. */
  function refusalOf(call: () => Promise<unknown>): Promise<Refusal>
}

/** What a script can read of an error. */
export interface Refusal {
  readonly message: string
  readonly errorCode: string | undefined
  readonly statusCode: number | undefined
}

/** A service, and pages of another origin with the unmodified client. */
export interface RealmPages {
  readonly service: RealmService
  /** Opens a page with a client `app`: in a browser of its own, or as a further tab of one. */
  readonly open: (tabOf?: BrowserContext) => Promise<Page>
  /** The origin of the pages. */
  readonly origin: string
  /** The names of the requests since the last call, without preflights. */
  readonly takeRequests: () => string[]
  /** How many preflights a route has got. */
  readonly preflightsOf: (path: string) => number
}

/** Starts a service and pages of another origin, which the service allows. They end with the test. */
export async function startRealmPages(
  newProfile: () => Promise<BrowserContext>,
  database: Pick<TestDatabase, 'db'>,
  options: RealmServiceOptions = {},
): Promise<RealmPages> {
  let baseUrl = ''
  const pages = express()
    .get('/', (_req, res) => void res.type('html').send(htmlFor(baseUrl)))
    .get('/realm-web.js', (_req, res) => {
      res.sendFile(BUNDLE)
    })
  const { origin, close } = await serve(pages)
  onTestFinished(close)
  const service = await startRealmService(database, {
    ...options,
    service: { allowedOrigins: [origin], ...options.service },
  })
  ;({ baseUrl } = service)
  const { requests } = service
  let taken = 0
  return {
    service,
    origin,
    async open(tabOf) {
      const page = await (tabOf ?? (await newProfile())).newPage()
      await page.goto(origin)
      return page
    },
    takeRequests() {
      const names = requests.slice(taken).map(({ name }) => name)
      taken = requests.length
      return names.filter(name => !name.startsWith('OPTIONS '))
    },
    preflightsOf: path => requests.filter(({ name }) => name === `OPTIONS ${path}`).length,
  }
}

/** Logs a page in. Resolves to the user's id. */
export function logInAnonymously(page: Page): Promise<string> {
  return page.evaluate(async () => (await app.logIn(realmWeb.Credentials.anonymous())).id)
}

function htmlFor(baseUrl: string): string {
  const config = JSON.stringify({ id: APP_ID, baseUrl })
  return `<!doctype html><title>page</title><script src="/realm-web.js"></script>
    <script>
      const realmWeb = Realm
      const app = new Realm.App(${config})
      async function refusalOf(call) {
        const outcome = await call().then(() => 'no error', error => error)
        const { message, errorCode, statusCode } = outcome
        return { message, errorCode, statusCode }
      }
    </script>`
}
