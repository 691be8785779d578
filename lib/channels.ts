import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { CustomUserDataEvents } from './events.js'
import type { RequestFailedMessage, OperationMessage } from './operations.js'
import type { RefusalReason } from './refusals.js'
import type { Timed } from './util/clock.js'

/** The end of a load, or of the wait for a load that another request had begun. */
export interface LoadMessage extends Timed {
  /** The id of the user whose document was loaded. */
  readonly userId: string
  /** The code of the error, if the load failed. */
  readonly code: string | undefined
}

/** An `error` is the original, in which a callback or the driver may have put anything. */
type HasOriginalError<Name extends keyof CustomUserDataEvents> =
  'error' extends keyof CustomUserDataEvents[Name][0] ? true : false

/** The events that are also messages of the channels with their names. */
type EventMessages = {
  [
    Name in keyof CustomUserDataEvents as HasOriginalError<Name> extends true
      ? never
      : Exclude<Name, 'request_failed'>
  ]: CustomUserDataEvents[Name][0]
}

/**
 * The messages of the channels `express-custom-user-data:<name>` of `node:diagnostics_channel`. Each event without an
 * original `error` is also a message of the channel with its name. Each message has `collection`, the name of the collection
 * of custom data. No message holds a token, a secret or a password.
 *
 * A message that a request causes is published in the asynchronous context of this request. If a subscriber throws, Node
 * emits `uncaughtException`, and the request goes on.
 *
 * @example
 * diagnostics_channel.subscribe('express-custom-user-data:load', ({ userId, ms, code }) => log.debug({ userId, ms, code }))
 */
export interface ChannelMessages extends EventMessages {
  /** A request was served from the cache. */
  hit: { readonly userId: string }
  /** A request was not served from the cache. */
  miss: { readonly userId: string }
  /** A request was served from the data inside its token. */
  claim_snapshot: { readonly userId: string }
  /** A load has ended, see {@link LoadMessage}. */
  load: LoadMessage
  /** A request has waited for a load that another request had begun, see {@link LoadMessage}. */
  shared_load: LoadMessage
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
  /** A login, a refresh or a logout has ended: with success, or with the `code` of an error. See {@link OperationMessage}. */
  operation: OperationMessage
  /**
   * A route of this package or `errorHandler()` has answered with 5xx, a function without a request has failed with such an
   * error, or the app called `reportFailure()`. The event of this name describes the error. See {@link RequestFailedMessage}.
   */
  request_failed: RequestFailedMessage
}

type Channels<Names extends keyof ChannelMessages> = Readonly<Record<Names, Channel>>

/** The channels that are not events. Kept in constants, so that a channel without subscribers costs one look. */
export const CHANNELS: Channels<Exclude<keyof ChannelMessages, keyof EventMessages>> = {
  hit: open('hit'),
  miss: open('miss'),
  claim_snapshot: open('claim_snapshot'),
  load: open('load'),
  shared_load: open('shared_load'),
  stale: open('stale'),
  invalidated: open('invalidated'),
  evicted: open('evicted'),
  refused: open('refused'),
  operation: open('operation'),
  request_failed: open('request_failed'),
}

/** All events. Those with an original error have no channel, and `request_failed` has one in {@link CHANNELS}. */
export const EVENT_CHANNELS: Channels<keyof EventMessages> &
  Readonly<Record<Exclude<keyof CustomUserDataEvents, keyof EventMessages>, undefined>> = {
  warning: open('warning'),
  load_failed: undefined,
  key_set_failed: undefined,
  request_failed: undefined,
  hook_failed: undefined,
  change_stream: undefined,
  snapshot_left_out: open('snapshot_left_out'),
  login: open('login'),
  login_refused: open('login_refused'),
  throttled: open('throttled'),
  refreshed: open('refreshed'),
  replayed: open('replayed'),
  reuse_detected: open('reuse_detected'),
  refresh_refused: open('refresh_refused'),
  session_limit: open('session_limit'),
  revoked: open('revoked'),
  session_ended: open('session_ended'),
  enabled: open('enabled'),
  written: open('written'),
  session_end_refused: open('session_end_refused'),
  fields_refused: open('fields_refused'),
  keys_replaced: open('keys_replaced'),
  trusted_issuer_added: open('trusted_issuer_added'),
  trusted_issuer_removed: open('trusted_issuer_removed'),
}

function open(name: keyof ChannelMessages): Channel {
  return channel(`express-custom-user-data:${name}`)
}
