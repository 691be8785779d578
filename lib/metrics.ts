import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { CustomUserDataError } from './errors.js'
import type { ChangeStreamStates } from './mongo/change-feeds.js'
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
  /** Snapshots in the cache. */
  readonly cached: number
  /** Bytes that the snapshots in the cache are estimated to take. */
  readonly cachedBytes: number
  /** The states of the change streams now, see {@link ChangeStreamStates}. */
  readonly changeStreams: ChangeStreamStates
}

/**
 * The messages of the channels `express-custom-user-data:<name>` of `node:diagnostics_channel`. Each message also has
 * `collection`, the name of the collection of custom data. No message holds a token.
 *
 * @example
 * diagnostics_channel.subscribe('express-custom-user-data:load', ({ userId, ms, code }) => log.debug({ userId, ms, code }))
 */
export interface ChannelMessages {
  /** A request was served from the cache. */
  hit: { readonly userId: string }
  /** A request was not served from the cache. */
  miss: { readonly userId: string }
  /** A request was served from the data inside its token. */
  claim_snapshot: { readonly userId: string }
  /** `ms` is the time that the load took; `code` is the error's code, if the load failed. */
  load: { readonly userId: string; readonly ms: number; readonly code: string | undefined }
  /** A request waited for a load that was running already. */
  shared_load: { readonly userId: string }
  /** A cached snapshot could not be served any more, because it was too old, invalidated, or its token had ended. */
  stale: { readonly userId: string }
  /** `invalidate()` was called for a user. */
  invalidated: { readonly userId: string }
  /** A snapshot was dropped to make room for others. */
  evicted: { readonly userId: string }
  /**
   * A request was refused, or `authenticate({ optional: true })` let it through and ignored the token in its cookie. `code`
   * is the code of the error. `userId` is the user of a token with a right signature, or of the
   * request that `attach()` or `allow()` refused. `reason` tells why an access token was refused; answers do not tell it.
   */
  refused: {
    readonly code: string
    readonly userId: string | undefined
    readonly reason: RefusalReason | undefined
  }
}

type Counters = Omit<Stats, 'cached' | 'cachedBytes' | 'changeStreams' | 'refused' | 'refusedTokens'>

/** Counts, and publishes each case on its channel. */
export interface Metrics {
  /** Each hit calls this, so it only adds, and looks whether the channel has subscribers. */
  hit: (userId: string) => void
  miss: (userId: string) => void
  claimSnapshot: (userId: string) => void
  load: (userId: string, ms: number, code?: string) => void
  sharedLoad: (userId: string) => void
  stale: (userId: string) => void
  invalidated: (userId: string) => void
  evicted: (userId: string) => void
  /** `userId` is the user of the request, unless the error tells it. */
  refused: (error: CustomUserDataError, userId?: string) => void
  /** Counts the reason why a token was ignored. The request passes without a user, so it does not count as refused. */
  ignored: (error: CustomUserDataError) => void
  /** The counters now. */
  counted: () => Omit<Stats, 'cached' | 'cachedBytes' | 'changeStreams'>
}

/** Kept in constants, so that a channel without subscribers costs one look. */
const CHANNELS: { readonly [Name in keyof ChannelMessages]: Channel } = {
  hit: open('hit'),
  miss: open('miss'),
  claim_snapshot: open('claim_snapshot'),
  load: open('load'),
  shared_load: open('shared_load'),
  stale: open('stale'),
  invalidated: open('invalidated'),
  evicted: open('evicted'),
  refused: open('refused'),
}

/** Creates the counters of one instance. Messages name its collection, because a process may have several instances. */
export function createMetrics(collection = ''): Metrics {
  const counters = startCounters()
  const refused = new Map<string, number>()
  const publish = createPublisher(collection)

  const refusedTokens = new Map<RefusalReason, number>()

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
      counters.hits++
      if (CHANNELS.hit.hasSubscribers) publish('hit', { userId })
    },
    miss(userId) {
      counters.misses++
      publish('miss', { userId })
    },
    claimSnapshot(userId) {
      counters.claimSnapshots++
      publish('claim_snapshot', { userId })
    },
    load(userId, ms, code) {
      counters.loads++
      counters.loadMs += ms
      if (code !== undefined) counters.failedLoads++
      publish('load', { userId, ms, code })
    },
    sharedLoad(userId) {
      counters.sharedLoads++
      publish('shared_load', { userId })
    },
    stale(userId) {
      counters.stale++
      publish('stale', { userId })
    },
    invalidated(userId) {
      counters.invalidated++
      publish('invalidated', { userId })
    },
    evicted(userId) {
      counters.evicted++
      publish('evicted', { userId })
    },
    refused: countRefusal,
    ignored: countReason,
    counted: () => ({
      ...counters,
      refused: Object.fromEntries(refused),
      refusedTokens: Object.fromEntries(refusedTokens),
    }),
  }
}

function addOne<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function startCounters(): { -readonly [Name in keyof Counters]: number } {
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

/** If a subscriber throws, Node reports the error, and the request goes on. */
function createPublisher(collection: string) {
  return <Name extends keyof ChannelMessages>(name: Name, message: ChannelMessages[Name]): void => {
    const named = CHANNELS[name]
    if (named.hasSubscribers) named.publish({ collection, ...message })
  }
}

function open(name: keyof ChannelMessages): Channel {
  return channel(`express-custom-user-data:${name}`)
}
