import type { ThrottledEvent } from './audit-events.js'
import { CHANNELS, EVENT_CHANNELS } from './channels.js'
import type { ChannelMessages, LoadMessage } from './channels.js'
import type { CustomUserDataError } from './errors.js'
import type { CustomUserDataEvents } from './events.js'
import type { ChangeStreamStates } from './mongo/change-feeds.js'
import { OPERATION_NAMES } from './operations.js'
import type { RequestFailedMessage, OperationMessage, OperationName } from './operations.js'
import { refusalOf } from './refusals.js'
import type { RefusalReason } from './refusals.js'

/** The counters since the instance was created, and the size of its cache. Each instance counts for its own process. */
export interface Stats {
  /** Requests that a cached snapshot served. */
  readonly hits: number
  /** Requests that no cached snapshot served. Each waited for a load, or was served from the data inside its token. */
  readonly misses: number
  /** Misses that were served without a read, from the `user_data` of the token. */
  readonly claimSnapshots: number
  /** Loads of users' documents that have ended, also those for logins, refreshes and `forUser()`. */
  readonly loads: number
  /** Loads that failed. They are part of `loads`. */
  readonly failedLoads: number
  /** Milliseconds that all loads took together. */
  readonly loadMs: number
  /** Requests that waited for a load which another had begun. */
  readonly sharedLoads: number
  /** Snapshots that were found but not served, because they were stale or invalidated, or their key was replaced. */
  readonly stale: number
  /** Invalidations of single users, by `invalidate()`, writes and revocations. */
  readonly invalidated: number
  /** Snapshots that were dropped because the cache was full. */
  readonly evicted: number
  /** How many requests `authenticate()`, `attach()`, `allow()`, the strategy and `verifyToken()` refused, by error code. */
  readonly refused: Readonly<Record<string, number>>
  /**
   * How many access tokens were refused for one of these reasons, see {@link RefusalReason}. Also counts a token in a cookie
   * that `authenticate({ optional: true })` ignored; that request is not in `refused`. Answers to clients do not tell it.
   */
  readonly refusedTokens: Readonly<Partial<Record<RefusalReason, number>>>
  /**
   * How many logins, refreshes and logouts have ended, by the name of their method and by their result: `ok`, or the code of
   * the error. A request with a malformed body counts too.
   */
  readonly operations: Readonly<Record<OperationName, Readonly<Record<string, number>>>>
  /**
   * How many requests were answered with 5xx by a route of this package or by `errorHandler()`, and how many failures the app
   * gave to `reportFailure()`, by error code: that of this package, or `unexpected_error`. Also counts
   * such errors of `verifyToken()`, `tokenVerifier()`, `sessionOf()`, `countAttempt()` and the functions that `operations` has.
   */
  readonly failedRequests: Readonly<Record<string, number>>
  /** How many logins and refresh tokens were answered with 429, by the limit that they had reached. */
  readonly throttled: Readonly<Partial<Record<ThrottledEvent['limit'], number>>>
  /** How many events of each name there were, whether or not somebody listened. */
  readonly events: Readonly<Record<keyof CustomUserDataEvents, number>>
  /** Snapshots in the cache. */
  readonly cached: number
  /** Bytes that the snapshots in the cache are estimated to take. */
  readonly cachedBytes: number
  /** Open watches of `forUser().watch()`. A number that only grows tells of watches that nobody ends. */
  readonly watches: number
  /** The states of the change streams now, see {@link ChangeStreamStates}. */
  readonly changeStreams: ChangeStreamStates
}

type Events = CustomUserDataEvents

/** The counters of this file. The cache, the watches and the change streams count the others. */
type Counted = Omit<Stats, 'cached' | 'cachedBytes' | 'watches' | 'changeStreams'>

/** The counters that are one number. */
type Totals = { -readonly [Name in keyof Counted as Counted[Name] extends number ? Name : never]: number }

/** Counts, and publishes each case on its channel. */
export interface Metrics {
  /** Each hit calls this, so it only adds, and looks whether the channel has subscribers. */
  hit: (userId: string) => void
  miss: (userId: string) => void
  claimSnapshot: (userId: string) => void
  load: (load: LoadMessage) => void
  sharedLoad: (load: LoadMessage) => void
  stale: (userId: string) => void
  invalidated: (userId: string) => void
  evicted: (userId: string) => void
  /** `userId` is the user of the request, unless the error tells it. */
  refused: (error: CustomUserDataError, userId?: string) => void
  /** Counts the reason why a token was ignored. The request passes without a user, so it does not count as refused. */
  ignored: (error: CustomUserDataError) => void
  operation: (operation: OperationMessage) => void
  /** `describe` is called only if the channel has subscribers. */
  requestFailed: (code: string, describe: () => RequestFailedMessage) => void
  /** An event that is only printed has no object. */
  event: <Name extends keyof Events>(name: Name, event?: Events[Name][0]) => void
  /** The counters now. */
  counted: () => Counted
}

/** Creates the counters of one instance. Messages name its collection, because a process may have several instances. */
export function createMetrics(collection = ''): Metrics {
  const totals = startTotals()
  const refused = new Map<string, number>()
  const refusedTokens = new Map<RefusalReason, number>()
  const operations = mapOver(OPERATION_NAMES, () => new Map<string, number>())
  const failedRequests = new Map<string, number>()
  const throttled = new Map<ThrottledEvent['limit'], number>()
  const events = mapOver(Object.keys(EVENT_CHANNELS) as (keyof Events)[], () => 0)

  /** If a subscriber throws, Node reports the error, and the request goes on. */
  function publish<Name extends keyof typeof CHANNELS>(name: Name, message: ChannelMessages[Name]): void {
    const named = CHANNELS[name]
    if (named.hasSubscribers) named.publish({ collection, ...message })
  }

  function countReason(error: CustomUserDataError, userId?: string): void {
    const { reason, userId: found = userId } = refusalOf(error)
    if (reason) addOne(refusedTokens, reason)
    publish('refused', { code: error.code, userId: found, reason })
  }

  function countRefusal(error: CustomUserDataError, userId?: string): void {
    addOne(refused, error.code)
    countReason(error, userId)
  }

  return {
    hit(userId) {
      totals.hits++
      if (CHANNELS.hit.hasSubscribers) publish('hit', { userId })
    },
    miss(userId) {
      totals.misses++
      publish('miss', { userId })
    },
    claimSnapshot(userId) {
      totals.claimSnapshots++
      publish('claim_snapshot', { userId })
    },
    load(load) {
      totals.loads++
      totals.loadMs += load.ms
      if (load.code !== undefined) totals.failedLoads++
      publish('load', load)
    },
    sharedLoad(load) {
      totals.sharedLoads++
      publish('shared_load', load)
    },
    stale(userId) {
      totals.stale++
      publish('stale', { userId })
    },
    invalidated(userId) {
      totals.invalidated++
      publish('invalidated', { userId })
    },
    evicted(userId) {
      totals.evicted++
      publish('evicted', { userId })
    },
    refused: countRefusal,
    ignored: countReason,
    operation(operation) {
      addOne(operations[operation.name], operation.code ?? 'ok')
      publish('operation', operation)
    },
    requestFailed(code, describe) {
      addOne(failedRequests, code)
      if (CHANNELS.request_failed.hasSubscribers) publish('request_failed', describe())
    },
    event(name, event) {
      events[name]++
      if (name === 'throttled') addOne(throttled, (event as ThrottledEvent).limit)
      const named = EVENT_CHANNELS[name]
      if (named?.hasSubscribers === true) named.publish({ collection, ...event })
    },
    counted: () => ({
      ...totals,
      refused: Object.fromEntries(refused),
      refusedTokens: Object.fromEntries(refusedTokens),
      operations: mapOver(OPERATION_NAMES, name => Object.fromEntries(operations[name])),
      failedRequests: Object.fromEntries(failedRequests),
      throttled: Object.fromEntries(throttled),
      events: { ...events },
    }),
  }
}

function addOne<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function mapOver<Name extends string, T>(
  names: readonly Name[],
  toValue: (name: Name) => T,
): Record<Name, T> {
  return Object.fromEntries(names.map(name => [name, toValue(name)])) as Record<Name, T>
}

function startTotals(): Totals {
  return {
    hits: 0,
    misses: 0,
    claimSnapshots: 0,
    loads: 0,
    failedLoads: 0,
    loadMs: 0,
    sharedLoads: 0,
    stale: 0,
    invalidated: 0,
    evicted: 0,
  }
}
