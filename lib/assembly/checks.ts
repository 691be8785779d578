import { Readiness } from '../checks/readiness.js'
import { createChangeFeeds } from '../mongo/change-feeds.js'
import { createSessionFeed } from '../sessions/session-feed.js'
import { createCustomDataFeed } from '../snapshots/custom-data-feed.js'
import type { Core } from './core.js'
import type { LoginAttempts } from './logins.js'
import type { SessionParts } from './sessions.js'

/** The change streams, and the checks of `ready()`. */
export type Checks = ReturnType<typeof createChecks>

/** Creates the change streams and the checks of `ready()`, which opens them. */
export function createChecks(core: Core, sessions: SessionParts, loginAttempts: LoginAttempts) {
  const { config, database, userIdIndex, events, clock, invalidations } = core
  const { store, userRecords, revocations, open, primary, lifetimes } = sessions
  const changeFeeds = createChangeFeeds({ ...config, maxPoolSize: database.maxPoolSize() }, events, {
    custom_data: report =>
      createCustomDataFeed(config, { database, snapshots: invalidations, clock, report }),
    sessions: report =>
      createSessionFeed(
        { ...config, accessTokenMs: lifetimes.sessionMs },
        { openCollection: open, primary, store, userRecords, revocations, clock, report },
      ),
  })
  const countsLogins = config.own !== undefined && config.loginThrottle !== false
  const readiness = new Readiness(
    {
      database,
      index: userIdIndex,
      sessions: sessions.collection,
      loginAttempts: countsLogins ? loginAttempts : undefined,
      changeFeeds,
      events,
    },
    config,
  )
  return { changeFeeds, readiness }
}
