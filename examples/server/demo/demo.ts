import { Router } from 'express'
import type { Db } from 'mongodb'
import type { Config } from '../config.js'
import { EMAILS, PASSWORD } from '../seed.js'
import { createUserData } from '../user-data.js'
import type { UserData } from '../user-data.js'
import { createDocumentRoutes, refuseEdits } from './documents.js'
import { onlyFromThisMachine, onlyFromThisPage } from './only-local.js'
import { createPageRoutes } from './page.js'
import { createSnapshotRoutes } from './snapshots.js'

/** The page at `/` that shows how old custom data can be, and the routes under `/demo` that it needs. */
export interface Demo {
  readonly router: Router
  /** The instances of the page, apart from the one of the app. */
  readonly instances: readonly UserData[]
}

/**
 * Creates the page. Whether change streams are followed is fixed when an instance is created. So the page has two instances
 * over the collection of the app. They have the same keys, so a token of the app is valid at both.
 */
export function createDemo(db: Db, config: Config): Demo {
  const followed = createUserData(db, { ...config, changeStreams: 'auto' })
  const unfollowed = createUserData(db, { ...config, changeStreams: 'off' })
  const router = Router()
  router.use(['/demo', /^\/$/], onlyFromThisMachine)
  router.use(createPageRoutes())
  router.use('/demo', onlyFromThisPage)
  router.get('/demo/settings', (_req, res) => res.json(toSettings(config)))
  router.use('/demo/me/change-streams-on', createSnapshotRoutes(followed))
  router.use('/demo/me/change-streams-off', createSnapshotRoutes(unfollowed))
  router.use('/demo/documents', config.demoEdits ? createDocumentRoutes(db) : refuseEdits)
  return { router, instances: [followed, unfollowed] }
}

/** What the page has to know about the server. The password of the example's users is no secret: the server prints it. */
function toSettings(config: Config) {
  return {
    users: EMAILS,
    password: PASSWORD,
    edits: config.demoEdits,
    snapshotTtlMs: config.snapshotTtlMs,
    refreshTokenTransport: config.refreshTokenTransport,
  }
}
