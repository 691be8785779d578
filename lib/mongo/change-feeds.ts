import type { Collection } from 'mongodb'
import type { Clock } from '../util/clock.js'
import { createCustomDataFeed } from '../snapshots/custom-data-feed.js'
import type { Snapshots } from '../snapshots/snapshots.js'
import type { ChangeStreamEvent, Events } from '../events.js'
import type { ChangeFeed } from './change-stream.js'
import type { TeamDatabase } from './team-database.js'
import type { Revocations } from '../sessions/revocations.js'
import { createSessionFeed } from '../sessions/session-feed.js'
import type { SessionStore } from '../sessions/session-store.js'
import type { UserRecords } from '../sessions/user-records.js'

/** Whether and how changes are followed. */
export interface ChangeFeedsConfig {
  readonly changeStreams: 'auto' | 'off'
  readonly changeStreamTimeoutMs: number
  readonly userIdField: string
  readonly userDataInToken: unknown
  /** Milliseconds that an access token of a revoked session may live on. */
  readonly accessTokenMs: number
}

/** What the feeds read from, and what they act on. */
export interface ChangeFeedsParts {
  readonly database: TeamDatabase
  readonly openSessions: () => Promise<Collection>
  readonly sessionStore: SessionStore
  readonly userRecords: UserRecords
  readonly snapshots: Pick<Snapshots, 'changed' | 'invalidateAll'>
  readonly revocations: Revocations
  readonly events: Events
  readonly clock: Clock
}

/** Each open stream has a connection to itself; this many leave as many for the app. */
const MIN_POOL_SIZE = 4
const NO_FEEDS: ChangeFeed = {
  start: () => undefined,
  settled: () => Promise.resolve(),
  isOpen: () => false,
  close: () => undefined,
}

/** Creates the two streams of an instance, on custom data and on sessions, as one. Of both together it warns once. */
export function createChangeFeeds(config: ChangeFeedsConfig, parts: ChangeFeedsParts): ChangeFeed {
  if (config.changeStreams === 'off') return NO_FEEDS
  const { database, openSessions, sessionStore, userRecords, snapshots, revocations, events, clock } = parts
  const warn = createWarning(events, config.userDataInToken !== undefined)
  const poolSize = database.maxPoolSize()
  // The driver takes 0 for "no limit".
  if (poolSize > 0 && poolSize < MIN_POOL_SIZE) {
    return { ...NO_FEEDS, start: () => warn(`the driver's maxPoolSize is ${poolSize}, and it takes two`) }
  }

  function reportFor(of: 'custom_data' | 'sessions') {
    return (state: ChangeStreamEvent['state'], error?: Error): void => {
      events.emit('change_stream', { of, state, ...(error && { error }) })
      if (state === 'unavailable') warn(error?.message ?? state)
    }
  }

  const feeds = [
    createCustomDataFeed(config, { database, snapshots, clock, report: reportFor('custom_data') }),
    createSessionFeed(config, {
      openCollection: openSessions,
      store: sessionStore,
      userRecords,
      revocations,
      clock,
      report: reportFor('sessions'),
    }),
  ]
  return {
    start() {
      for (const feed of feeds) feed.start()
    },
    async settled() {
      await Promise.all(feeds.map(feed => feed.settled()))
    },
    isOpen: () => feeds.every(feed => feed.isOpen()),
    close() {
      for (const feed of feeds) feed.close()
    },
  }
}

function createWarning(events: Events, isDataInToken: boolean): (reason: string) => void {
  let hasWarned = false
  return reason => {
    if (hasWarned) return
    hasWarned = true
    const messages = [
      `Changes that other processes make cannot be followed (${reason}).`,
      'Data is as old as snapshotTtlMs allows, and a revoked access token is refused at its next load.',
      isDataInToken ? 'Custom data inside access tokens is not used: each new token causes a load.' : '',
      'Run a replica set, or write changeStreams: "off".',
    ]
    const message = messages.filter(Boolean).join(' ')
    events.warn({ code: 'change_stream_unavailable', message })
  }
}
