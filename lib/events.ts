import { EventEmitter } from 'node:events'
import type { AuditEvents } from './audit-events.js'
import { systemClock } from './util/clock.js'
import type { Clock } from './util/clock.js'
import { describeError } from './util/describe-error.js'
import type { ErrorDescription } from './util/describe-error.js'
import { createRedaction, describeForLog } from './util/redaction.js'
import { RepeatedLines } from './util/repeated-lines.js'
import type { WarningCode } from './warnings.js'

/** A set-up that works, but not as well as it could. The message says what to do about it. */
export interface WarningEvent {
  /** The kind of warning, which stays the same across versions. */
  readonly code: WarningCode
  /** The finding, and what to do about it. */
  readonly message: string
  /** The user concerned; absent if the warning is about no single user. */
  readonly userId?: string
}

/** The page of the installed package that explains each warning. */
const EVENTS_PAGE = 'node_modules/express-custom-user-data/docs/reference/events.md'

/** A load of a user's document that failed. */
export interface LoadFailedEvent {
  /** The id of the user whose document could not be loaded. */
  readonly userId: string
  /** The code of `error`, see {@link CustomUserDataError}. */
  readonly code: string
  /** The error of the request. Its `cause` is the error of the driver or of the schema. */
  readonly error: Error
}

/**
 * The keys of a trusted issuer, or of the service of `tokenVerifier()`, could not be fetched. The keys that are known stay in
 * use.
 */
export interface KeySetFailedEvent {
  /** The `iss` of the issuer. For `tokenVerifier()` without `issuer` it is the address of the keys without its query. */
  readonly issuer: string
  /** The error of the fetch, or of an answer that is not a JWK Set. */
  readonly error: Error
}

/** A change of the state of a change stream. */
export interface ChangeStreamEvent {
  /** The collection that the stream is on. */
  readonly of: 'custom_data' | 'sessions'
  /**
   * `open`: the stream brings changes from now on, and every snapshot from before was dropped. `broken`: the stream has failed
   * and is being opened again. `resumed`: it was opened again, and nothing was missed. `unavailable`: the server refuses to
   * open it, for example because the database user has no right to it; it is tried again. `skipped`: an event could not be
   * read; every snapshot that it
   * may concern was dropped, and the stream goes on.
   */
  readonly state: 'open' | 'broken' | 'resumed' | 'unavailable' | 'skipped'
  /** The error that broke the stream. */
  readonly error?: Error
}

/** A hook that runs after the answer has failed. */
export interface HookFailedEvent {
  /** The name of the hook. */
  readonly hook: string
  /** The error that the hook threw. */
  readonly error: Error
}

/**
 * A request that was answered with 5xx, by a route of this package or by `errorHandler()`, or a failure that the app has given to
 * `reportFailure()`. It describes the error without its other members. Tokens, cookies and credentials of the request are
 * replaced by `[removed]`.
 */
export interface RequestFailedEvent extends ErrorDescription {
  /** The code of the error, see {@link CustomUserDataError}. `unexpected_error` for an error of another kind. */
  readonly code: string
  /**
   * The HTTP status of the answer: 500 or 503. For `unexpected_error` it is the `status` or `statusCode` of the error if that is
   * 500 to 599, and otherwise 500.
   */
  readonly status: number
  /**
   * The method and the path of the request, for example `POST /login`. Parameters of the route are shown by their names. Of
   * the path of a router, and of a path without a route, each segment that may be a token is `[removed]`. Without a request it is
   * `reportFailure()`.
   */
  readonly route: string
  /** The message of the error, followed by the messages of its causes. */
  readonly message: string
  /** The stack of the error, followed by the stacks of its causes, which show where the fault began. */
  readonly stack: string
}

/** An access token that was issued without its user's data, although `userDataInToken` is on. The server loads the data. */
export type SnapshotLeftOutEvent = {
  /** The id of the user. */
  readonly userId: string
} & (
  | {
      /**
       * The token would have been longer than `userDataInToken.maxTokenBytes`, or too long for a cookie of 4,096 bytes with
       * `accessTokenTransport: 'cookie'`.
       */
      readonly reason: 'too_large'
      /** The length of the token with the data, in bytes. */
      readonly tokenBytes: number
      /** The limit that applies, in bytes. */
      readonly maxTokenBytes: number
    }
  | {
      /**
       * Extended JSON cannot express the document: it has names of fields that begin with `$`, or values of a schema that are
       * not BSON. With `relaxed` this also concerns -0 and integers beyond 2^53.
       */
      readonly reason: 'no_extended_json'
    }
)

/**
 * The events of an instance, by name. No event carries a token, a secret or a password, except what a callback of yours or the
 * driver has put into an `error`.
 */
export interface CustomUserDataEvents extends AuditEvents {
  /** A warning about the set-up. Node prints it if nobody listens. */
  warning: [WarningEvent]
  /** A load of a user's document failed. */
  load_failed: [LoadFailedEvent]
  /** The keys of a trusted issuer, or of the service of `tokenVerifier()`, could not be fetched. */
  key_set_failed: [KeySetFailedEvent]
  /**
   * A request was answered with 5xx, or the app called `reportFailure()`. Node prints it if nobody listens, one line a minute for each code.
   *
   * @example
   * userData.events.on('request_failed', ({ route, code, message, stack }) => log.error({ route, code, message, stack }))
   */
  request_failed: [RequestFailedEvent]
  /** A hook that runs after the answer has failed. Node prints it if nobody listens, one line a minute for each hook. */
  hook_failed: [HookFailedEvent]
  /** The state of a change stream has changed. */
  change_stream: [ChangeStreamEvent]
  /** An access token was issued without its user's data. */
  snapshot_left_out: [SnapshotLeftOutEvent]
}

/** A listener. It may be an async function: if it rejects, Node prints a warning. */
type Listener<Name extends keyof CustomUserDataEvents> = (...event: CustomUserDataEvents[Name]) => unknown

/** Node's `EventEmitter` with the events of an instance. */
export interface CustomUserDataEmitter extends EventEmitter {
  on<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  once<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  addListener<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  prependListener<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  prependOnceListener<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  off<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
  removeListener<Name extends keyof CustomUserDataEvents>(name: Name, listener: Listener<Name>): this
}

/** Emits events. A listener that throws never fails the request. */
export interface Events {
  readonly emitter: CustomUserDataEmitter
  emit: <Name extends keyof CustomUserDataEvents>(name: Name, event: CustomUserDataEvents[Name][0]) => void
  /** Emits `warning`. Node prints it if nobody listens. */
  warn: (warning: WarningEvent) => void
  /** Emits `request_failed`. `describe` is called only if somebody listens or a line is due. */
  requestFailed: (code: string, describe: () => RequestFailedEvent) => void
  /** Emits `hook_failed`. `secrets` are values that must not be printed. */
  hookFailed: (event: HookFailedEvent, secrets: readonly string[]) => void
}

/** Counts an event, and publishes it on its channel. An event that is only printed has no object. It must not throw. */
type Observe = <Name extends keyof CustomUserDataEvents>(
  name: Name,
  event?: CustomUserDataEvents[Name][0],
) => void

/**
 * Creates the emitter of one instance.
 *
 * @param observe gets each event before the listeners, also if nobody listens
 */
export function createEvents(
  clock: Pick<Clock, 'monotonic'> = systemClock,
  observe: Observe = () => undefined,
): Events {
  const emitter: CustomUserDataEmitter = new EventEmitter({ captureRejections: true })
  Object.assign(emitter, { [EventEmitter.captureRejectionSymbol]: reportListener })
  const emit: Events['emit'] = (name, event) => {
    observe(name, event)
    isolated(() => emitter.emit(name, event))
  }
  const lines = new RepeatedLines(clock)
  return {
    emitter,
    emit,
    warn(warning) {
      if (emitter.listenerCount('warning') === 0) {
        print(warning.message, warning.code, `See ${EVENTS_PAGE}#${warning.code}`)
      }
      emit('warning', warning)
    },
    requestFailed(code, describe) {
      if (emitter.listenerCount('request_failed') > 0) emit('request_failed', describe())
      else {
        observe('request_failed')
        lines.add(`request ${code}`, count => {
          print(toFailureLine(describe()) + count, 'request_failed')
        })
      }
    },
    hookFailed(event, secrets) {
      if (emitter.listenerCount('hook_failed') > 0) emit('hook_failed', event)
      else {
        observe('hook_failed')
        lines.add(`hook ${event.hook}`, count => {
          print(toHookLine(event, secrets) + count, 'hook_failed')
        })
      }
    },
  }
}

function print(message: string, code: string, detail?: string): void {
  process.emitWarning(message, {
    type: 'CustomUserDataWarning',
    code,
    ...(detail !== undefined && { detail }),
  })
}

/** One line: the place in the code where the fault began stands for the stack. */
function toFailureLine({ route, status, code, name, message, stack }: RequestFailedEvent): string {
  // The class of an error of this package tells less than its code, and a thrown text is its own name.
  const what = name === 'CustomUserDataError' || name === message ? message : `${name}: ${message}`
  return toLine(`${route} failed with ${status} ${code}: ${what}`, stack)
}

function toHookLine({ hook, error }: HookFailedEvent, secrets: readonly string[]): string {
  const { name, message, stack } = describeError(error, createRedaction(secrets))
  return toLine(`The hook ${hook} failed: ${name}: ${message}`, stack)
}

function toLine(text: string, stack: string): string {
  const origin = stack
    .split('Caused by ')
    .at(-1)
    ?.split('\n')
    .find(line => line.trimStart().startsWith('at '))
  return `${text}${origin === undefined ? '' : ` (${origin.trim()})`}`.replaceAll(/[\s\p{Cc}]+/gu, ' ')
}

/** A listener that throws must not turn a request into a 500, and a listener that rejects must not end the process. */
function isolated(emit: () => void): void {
  try {
    emit()
  } catch (error) {
    reportListener(error)
  }
}

function reportListener(error: unknown): void {
  process.emitWarning(`A listener threw: ${describeForLog(error)}`, { type: 'CustomUserDataWarning' })
}
