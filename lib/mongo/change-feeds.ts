import type { ChangeStreamEvent, Events } from '../events.js'
import type { ChangeFeed, ChangeSource, FeedState } from './change-stream.js'

/** What `stats()` and `ready()` tell of the streams. `off`: the option `changeStreams` is off. */
export type ChangeStreamStates = Readonly<Record<ChangeStreamEvent['of'], FeedState | 'off'>>

/** The change feeds of an instance as one. */
export interface ChangeFeeds extends Omit<ChangeFeed, 'state'> {
  readonly states: () => ChangeStreamStates
}

/** Creates one feed, which reports its states by this function. */
type CreateFeed = (report: ChangeSource<never>['report']) => ChangeFeed

interface ChangeFeedsConfig {
  readonly changeStreams: 'auto' | 'off'
  readonly userDataInToken: unknown
  /** The size of the connection pool; 0 if it has no limit. */
  readonly maxPoolSize: number
}

/** Each open stream occupies a connection. With this pool the two streams leave as many connections for the app. */
const MIN_POOL_SIZE = 4
const NO_FEEDS: ChangeFeeds = {
  start: () => undefined,
  settled: () => Promise.resolve(),
  isOpen: () => false,
  states: () => ({ custom_data: 'off', sessions: 'off' }),
  close: () => undefined,
}

/** Joins the change feeds of an instance. If changes cannot be followed, it warns once for all feeds. */
export function createChangeFeeds(
  { changeStreams, userDataInToken, maxPoolSize }: ChangeFeedsConfig,
  events: Events,
  create: Readonly<Record<ChangeStreamEvent['of'], CreateFeed>>,
): ChangeFeeds {
  if (changeStreams === 'off') return NO_FEEDS
  const warn = createWarning(events, userDataInToken !== undefined)
  if (maxPoolSize > 0 && maxPoolSize < MIN_POOL_SIZE) {
    return {
      ...NO_FEEDS,
      states: () => ({ custom_data: 'unavailable', sessions: 'unavailable' }),
      start: () => warn(`the driver's maxPoolSize is ${maxPoolSize}, and the streams occupy two connections`),
    }
  }
  const reportFor = (of: ChangeStreamEvent['of']): ChangeSource<never>['report'] => {
    return (state, error) => {
      events.emit('change_stream', { of, state, ...(error && { error }) })
      if (state === 'unavailable') warn(error?.message ?? state)
    }
  }
  return joinFeeds(create.custom_data(reportFor('custom_data')), create.sessions(reportFor('sessions')))
}

function joinFeeds(customData: ChangeFeed, sessions: ChangeFeed): ChangeFeeds {
  const feeds = [customData, sessions]
  return {
    start() {
      for (const feed of feeds) feed.start()
    },
    async settled() {
      await Promise.all(feeds.map(feed => feed.settled()))
    },
    isOpen: () => feeds.every(feed => feed.isOpen()),
    states: () => ({ custom_data: customData.state(), sessions: sessions.state() }),
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
      'Run a replica set, or grant the rights changeStream and find, or write changeStreams: "off".',
      'Otherwise it is tried again, and the event change_stream tells when it succeeds.',
    ]
    const message = messages.filter(Boolean).join(' ')
    events.warn({ code: 'change_stream_unavailable', message })
  }
}
