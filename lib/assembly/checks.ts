import { Readiness } from '../checks/readiness.js'
import type { RightsCollections } from '../checks/rights.js'
import type { OwnCollection } from '../checks/set-up.js'
import { createChangeFeeds } from '../mongo/change-feeds.js'
import { StreamConnections } from '../mongo/stream-connections.js'
import { LOGIN_ATTEMPT_COLLECTION } from '../login/attempt-documents.js'
import { hostsOf } from '../mongo/team-database.js'
import type { Config } from '../options/parse-options.js'
import { SESSION_COLLECTION } from '../sessions/session-collection.js'
import { createSessionFeed } from '../sessions/session-feed.js'
import { createCustomDataFeed } from '../snapshots/custom-data-feed.js'
import type { Core } from './core.js'
import type { LoginAttempts } from './login-attempts.js'
import type { SessionParts } from './sessions.js'

/** The change streams, and the checks of `ready()`. */
export type Checks = ReturnType<typeof createChecks>

/** Creates the change streams and the checks of `ready()`, which opens them. */
export function createChecks(core: Core, sessions: SessionParts, loginAttempts: LoginAttempts) {
  const { config, database, userIdIndex, events, clock, invalidations, rights, storedUsernames, warnings } =
    core
  const { store, userRecords, revocations, database: sessionDatabase, lifetimes } = sessions
  const connections = new StreamConnections([database, sessionDatabase])
  const changeFeeds = createChangeFeeds(config, events, connections, {
    custom_data: report =>
      createCustomDataFeed(config, {
        openCollection: async () => {
          await connections.take(database)
          return database.collection()
        },
        primary: signal => database.primary(signal),
        snapshots: invalidations,
        clock,
        report,
      }),
    sessions: report =>
      createSessionFeed(
        { ...config, accessTokenMs: lifetimes.sessionMs },
        {
          openCollection: async () => {
            await connections.take(sessionDatabase)
            return sessions.collection.open()
          },
          primary: signal => sessionDatabase.primary(signal),
          store,
          userRecords,
          revocations,
          clock,
          report,
        },
      ),
  })
  addRightsOfOptions(core)
  const collections: RightsCollections = {
    custom_data: () => database.collection(),
    sessions: sessions.collection.find,
    login_attempts: () => loginAttempts.store.collection(),
  }
  const readiness = new Readiness(
    {
      database,
      checkRights: timeoutMs => rights.check(collections, timeoutMs, warnings),
      checkUsernames: timeoutMs => storedUsernames.check(timeoutMs, warnings),
      index: userIdIndex,
      ownCollections: toOwnCollections(config, sessions, loginAttempts),
      ownCollectionNames: [
        config.sessionCollection?.collectionName ?? SESSION_COLLECTION,
        config.loginAttemptCollection?.collectionName ?? LOGIN_ATTEMPT_COLLECTION,
      ],
      hosts: () => hostsOf(config.collection),
      changeFeeds,
      events,
      warnings,
      clock,
    },
    config,
  )
  sessions.use.onWrite(() => readiness.startAgain())
  return { changeFeeds, readiness }
}

/** Notes the rights that the options need. Each method that creates a route notes its own. */
function addRightsOfOptions({ config, rights }: Core): void {
  rights.add('each load')
  if (config.own && config.hooks.createCustomData) rights.add('createCustomData')
  if (config.changeStreams !== 'off') rights.add('changeStreams')
}

/** The collections of this package that need indexes. Login attempts need none if no logins are counted. */
function toOwnCollections(
  config: Config,
  { collection, use }: SessionParts,
  loginAttempts: LoginAttempts,
): () => OwnCollection[] {
  const sessions: OwnCollection = {
    name: 'sessions',
    ensureIndexes: collection.ensureIndexes,
    step: () => ({
      what: 'making the indexes of sessions',
      hosts: hostsOf(config.sessionCollection ?? config.collection),
      outage: 'sessions_unavailable',
    }),
  }
  const sessionsInUse = () => (use.isInUse() ? [sessions] : [])
  if (config.own === undefined || config.loginThrottle === false) return sessionsInUse
  const attempts: OwnCollection = {
    name: 'login_attempts',
    ensureIndexes: limits => loginAttempts.store.ensureIndexes(limits),
    step: () => ({
      what: 'making the index of login attempts',
      hosts: hostsOf(config.loginAttemptCollection ?? config.collection),
      outage: 'credentials_unavailable',
    }),
  }
  return () => [...sessionsInUse(), attempts]
}
