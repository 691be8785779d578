import type { ChangeStreamEvent, Events } from '../events.js'
import type { ChangeFeed, ChangeSource, FeedState } from './change-stream.js'
import { PoolOccupiedError } from './stream-connections.js'
import type { StreamConnections } from './stream-connections.js'

/** What `stats()` and `ready()` tell of the streams. `off`: the option `changeStreams` is off. */
export type ChangeStreamStates = Readonly<Record<ChangeStreamEvent['of'], FeedState | 'off'>>

/** The change feeds of an instance as one. */
export interface ChangeFeeds extends Omit<ChangeFeed, 'state'> {
  readonly states: () => ChangeStreamStates
  /** The feed of custom data alone. */
  readonly customData: CustomDataChanges
}

/** The part of the feed of custom data that watches need. */
export interface CustomDataChanges extends Pick<ChangeFeed, 'settled' | 'isOpen'> {
  readonly state: () => FeedState | 'off'
  /** Sets the function that is called when the server has refused the stream, or the pool is too small for it. */
  readonly onUnavailable: (tell: (error: Error | undefined) => void) => void
}

/** Creates one feed, which reports its states by this function. */
type CreateFeed = (report: ChangeSource<never>['report']) => ChangeFeed

interface ChangeFeedsConfig {
  readonly changeStreams: 'auto' | 'off'
  readonly userDataInToken: unknown
}

const NO_FEEDS: ChangeFeeds = {
  start: () => undefined,
  settled: () => Promise.resolve(),
  isOpen: () => false,
  states: () => ({ custom_data: 'off', sessions: 'off' }),
  customData: {
    state: () => 'off',
    settled: () => Promise.resolve(),
    isOpen: () => false,
    onUnavailable: () => undefined,
  },
  close: () => undefined,
}

/**
 * Joins the change feeds of an instance. If changes cannot be followed, it warns once for all feeds. The feeds take the
 * connections, and closing gives them back.
 */
export function createChangeFeeds(
  { changeStreams, userDataInToken }: ChangeFeedsConfig,
  events: Events,
  connections: Pick<StreamConnections, 'close'>,
  create: Readonly<Record<ChangeStreamEvent['of'], CreateFeed>>,
): ChangeFeeds {
  if (changeStreams === 'off') return NO_FEEDS
  const warn = createWarning(events, userDataInToken !== undefined)
  let tellCustomData: (error: Error | undefined) => void = () => undefined
  const reportFor = (of: ChangeStreamEvent['of']): ChangeSource<never>['report'] => {
    return (state, error) => {
      events.emit('change_stream', { of, state, ...(error && { error }) })
      if (state !== 'unavailable') return
      warn(error)
      if (of === 'custom_data') tellCustomData(error)
    }
  }
  const customData = create.custom_data(reportFor('custom_data'))
  const feeds = joinFeeds(customData, create.sessions(reportFor('sessions')))
  return {
    ...feeds,
    customData: {
      state: () => customData.state(),
      settled: () => customData.settled(),
      isOpen: () => customData.isOpen(),
      onUnavailable: tell => {
        tellCustomData = tell
      },
    },
    close() {
      feeds.close()
      connections.close()
    },
  }
}

function joinFeeds(customData: ChangeFeed, sessions: ChangeFeed): Omit<ChangeFeeds, 'customData'> {
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

function createWarning(events: Events, isDataInToken: boolean): (error: Error | undefined) => void {
  let hasWarned = false
  return error => {
    if (hasWarned) return
    hasWarned = true
    const isPoolOccupied = error instanceof PoolOccupiedError
    const messages = [
      `Changes that other processes make cannot be followed (${error?.message ?? 'unavailable'}).`,
      'Data is as old as snapshotTtlMs allows, and a revoked access token is refused at its next load.',
      isDataInToken ? 'Custom data inside access tokens is not used: each new token causes a load.' : '',
      isPoolOccupied
        ? ''
        : 'Run a replica set, or grant the rights changeStream and find on the collections.',
      'If you do not need change streams, write changeStreams: "off".',
      'Otherwise it is tried again, and the event change_stream tells when it succeeds.',
    ]
    const message = messages.filter(Boolean).join(' ')
    events.warn({ code: 'change_stream_unavailable', message })
  }
}
