import { EventEmitter } from 'node:events'
import { describeThrown } from './util/thrown.js'

/** Something that works, but not as well as it could: what it is and what to do about it. */
export interface WarningEvent {
  readonly code:
    | 'duplicate_documents'
    | 'user_id_index_missing'
    | 'session_index_missing'
    | 'session_not_removed'
    | 'login_attempt_index_missing'
    | 'login_attempts_not_corrected'
    | 'login_account_unknown'
    | 'proxy_header_unused'
    | 'change_stream_unavailable'
    | 'user_id_index_conflict'
    | 'password_hash_unreadable'
    | 'password_hash_not_upgraded'
    | 'key_ignored'
    | 'server_not_primary'
    | 'foreign_collection'
  readonly message: string
  /** The user concerned, where there is one. */
  readonly userId?: string
}

/** A document that could not be given to a user. */
export interface LoadFailedEvent {
  readonly userId: string
  readonly code: string
  readonly error: Error
}

/** The keys of a trusted issuer could not be read; those that are known go on to serve. */
export interface KeySetFailedEvent {
  readonly issuer: string
  readonly error: Error
}

/** A user and the session concerned. */
export interface SessionEvent {
  readonly userId: string
  readonly sid: string
}

/** What was revoked: one session, or all of a user's. */
export type RevokedEvent = { readonly sid: string } | { readonly userId: string }

/** A login that was refused before its credentials were looked at. */
export interface ThrottledEvent {
  /** Which count was full. */
  readonly limit: 'account' | 'address' | 'account_and_address'
  readonly address: string | undefined
  readonly retryAfterSeconds: number
}

/** What has become of the change stream on a collection. */
export interface ChangeStreamEvent {
  readonly of: 'custom_data' | 'sessions'
  /**
   * `open`: the stream brings changes from now on, and everything cached before was dropped. `broken`: the stream has failed
   * and is being opened again. `resumed`: it was opened again, and nothing was missed. `unavailable`: the server has no
   * change streams, or the database user has no right to them. `skipped`: an event could not be understood; everything that
   * it may concern was dropped, and the stream goes on.
   */
  readonly state: 'open' | 'broken' | 'resumed' | 'unavailable' | 'skipped'
  readonly error?: Error
}

/** A callback of the team that failed: a hook that runs after the answer, `verifyCredentials` or `beforeLogin`. */
export interface HookFailedEvent {
  readonly hook: string
  readonly error: Error
}

/** An access token that went without its user's data, so that the server reads them as usual. */
export type SnapshotLeftOutEvent = { readonly userId: string } & (
  | { readonly reason: 'too_large'; readonly tokenBytes: number; readonly maxTokenBytes: number }
  /** Extended JSON cannot express the document: names of fields that begin with `$`, values of a schema that are not BSON,
   *  and with `relaxed` also -0 and integers beyond 2^53. */
  | { readonly reason: 'no_extended_json' }
)

/** The events of an instance, by name. None carries a token, a secret or a password. */
export interface CustomUserDataEvents {
  warning: [WarningEvent]
  load_failed: [LoadFailedEvent]
  key_set_failed: [KeySetFailedEvent]
  /** A session began. */
  login: [SessionEvent]
  /** Credentials were refused by `verifyCredentials`; with the user's id: they were right, but a hook said no or the user
   *  is disabled. */
  login_refused: [{ readonly userId?: string; readonly address: string | undefined }]
  throttled: [ThrottledEvent]
  /** A refresh token was exchanged. */
  refreshed: [SessionEvent]
  /** An exchanged refresh token came again and got its successor again. */
  replayed: [SessionEvent]
  /** An exchanged refresh token came again too late: it was stolen, or its successor was. The session has ended. */
  reuse_detected: [SessionEvent]
  revoked: [RevokedEvent]
  hook_failed: [HookFailedEvent]
  change_stream: [ChangeStreamEvent]
  snapshot_left_out: [SnapshotLeftOutEvent]
}

/** Emits without ever failing the request that it is emitted for. */
export interface Events {
  readonly emitter: EventEmitter<CustomUserDataEvents>
  emit: <Name extends keyof CustomUserDataEvents>(name: Name, event: CustomUserDataEvents[Name][0]) => void
  /** Emits `warning`; one that nobody listens to is printed by Node. */
  warn: (warning: WarningEvent) => void
}

/** Creates the event channel of one instance. */
export function createEvents(): Events {
  const emitter = new EventEmitter<CustomUserDataEvents>({ captureRejections: true })
  Object.assign(emitter, { [EventEmitter.captureRejectionSymbol]: reportListener })
  const emit: Events['emit'] = (name, event) => {
    // The emitter's own types cannot relate a name that is a type parameter to its arguments.
    isolated(() => (emitter as EventEmitter).emit(name, event))
  }
  return {
    emitter,
    emit,
    warn(warning) {
      if (emitter.listenerCount('warning') === 0) {
        process.emitWarning(warning.message, { type: 'CustomUserDataWarning', code: warning.code })
      }
      emit('warning', warning)
    },
  }
}

/** A listener of the team's that throws must not turn somebody's request into a 500; nor may one that rejects
 *  end the process. */
function isolated(emit: () => void): void {
  try {
    emit()
  } catch (error) {
    reportListener(error)
  }
}

function reportListener(error: unknown): void {
  process.emitWarning(`A listener threw: ${describeThrown(error)}`, { type: 'CustomUserDataWarning' })
}
