import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import { asCustomUserDataError } from './errors.js'

/** What was counted since the instance was created, and what is cached now. */
export interface Stats {
  /** Requests that a cached copy served. */
  readonly hits: number
  /** Requests that none did: each became a load, shared one, or was served from its own token. */
  readonly misses: number
  /** Misses that were served without a read, from the `user_data` of the token. */
  readonly claimSnapshots: number
  /** Loads of users' documents that ended, for logins, refreshes and `forUser()`, too, and those of them that failed. */
  readonly loads: number
  readonly failedLoads: number
  /** Milliseconds that all of them took together. */
  readonly loadMs: number
  /** Requests that waited for a load which another had begun. */
  readonly sharedLoads: number
  /** Copies that were found but not served: too old, invalidated, or their key was replaced. */
  readonly stale: number
  /** Calls of `invalidate()`. */
  readonly invalidated: number
  /** Copies that were dropped for want of room. */
  readonly evicted: number
  /** Requests that were refused by `authenticate()`, `attach()`, the strategy or `verifyToken()`, by the error's code. */
  readonly refused: Readonly<Record<string, number>>
  /** Copies in the cache, and what they are estimated to weigh. */
  readonly cached: number
  readonly cachedBytes: number
}

/** What the messages of the channels `express-custom-user-data:<name>` hold beside `collection`. None holds a token. */
export interface ChannelMessages {
  hit: { readonly userId: string }
  miss: { readonly userId: string }
  claim_snapshot: { readonly userId: string }
  /** `code` is that of the error, where there was one. */
  load: { readonly userId: string; readonly ms: number; readonly code: string | undefined }
  shared_load: { readonly userId: string }
  stale: { readonly userId: string }
  invalidated: { readonly userId: string }
  evicted: { readonly userId: string }
  refused: { readonly code: string }
}

type Counters = Omit<Stats, 'cached' | 'cachedBytes' | 'refused'>

/** Counts what happens, and tells those who have subscribed to its channel. */
export interface Observer {
  /** On the hot path: one addition, and one look at whether anybody listens. */
  hit: (userId: string) => void
  miss: (userId: string) => void
  claimSnapshot: (userId: string) => void
  load: (userId: string, ms: number, code?: string) => void
  sharedLoad: (userId: string) => void
  stale: (userId: string) => void
  invalidated: (userId: string) => void
  evicted: (userId: string) => void
  refused: (code: string) => void
  /** Counts an error as a refusal, and throws it again. */
  rethrow: (error: unknown) => never
  /** A copy of the counters. */
  counted: () => Omit<Stats, 'cached' | 'cachedBytes'>
}

/** Held, so that telling nobody costs one look at each. */
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

/** Creates the observer of one instance; `collection` tells its messages from those of others in the process. */
export function createObserver(collection = ''): Observer {
  const counters: { -readonly [Name in keyof Counters]: number } = {
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
  const refused = new Map<string, number>()
  const publish = createPublisher(collection)

  function count(code: string): void {
    refused.set(code, (refused.get(code) ?? 0) + 1)
    publish('refused', { code })
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
    refused: count,
    rethrow(error) {
      const ours = asCustomUserDataError(error)
      if (ours) count(ours.code)
      throw error
    },
    counted: () => ({ ...counters, refused: Object.fromEntries(refused) }),
  }
}

/** A subscriber that throws is Node's to report: it never reaches the request. */
function createPublisher(collection: string) {
  return <Name extends keyof ChannelMessages>(name: Name, message: ChannelMessages[Name]): void => {
    const named = CHANNELS[name]
    if (named.hasSubscribers) named.publish({ collection, ...message })
  }
}

function open(name: keyof ChannelMessages): Channel {
  return channel(`express-custom-user-data:${name}`)
}
