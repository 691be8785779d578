import { EventEmitter } from 'node:events'

/** Something that works, but not as well as it could: what it is and what to do about it. */
export interface WarningEvent {
  readonly code:
    | 'duplicate_documents'
    | 'user_id_index_missing'
    | 'session_index_missing'
    | 'user_id_index_conflict'
    | 'password_hash_unreadable'
    | 'key_ignored'
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

/** The events of an instance, by name. None carries a token, a secret or a password. */
export interface CustomUserDataEvents {
  warning: [WarningEvent]
  load_failed: [LoadFailedEvent]
  key_set_failed: [KeySetFailedEvent]
}

/** Emits without ever failing the request that it is emitted for. */
export interface Events {
  readonly emitter: EventEmitter<CustomUserDataEvents>
  warn(warning: WarningEvent): void
  loadFailed(event: LoadFailedEvent): void
  keySetFailed(event: KeySetFailedEvent): void
}

/** Creates the event channel of one instance. A warning that nobody listens to is printed by Node. */
export function createEvents(): Events {
  const emitter = new EventEmitter<CustomUserDataEvents>({ captureRejections: true })
  Object.assign(emitter, { [EventEmitter.captureRejectionSymbol]: reportListener })
  return {
    emitter,
    warn(warning) {
      if (emitter.listenerCount('warning') === 0) {
        process.emitWarning(warning.message, { type: 'CustomUserDataWarning', code: warning.code })
      }
      isolated(() => emitter.emit('warning', warning))
    },
    loadFailed(event) {
      isolated(() => emitter.emit('load_failed', event))
    },
    keySetFailed(event) {
      isolated(() => emitter.emit('key_set_failed', event))
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
  process.emitWarning(`A listener threw: ${String(error)}`, { type: 'CustomUserDataWarning' })
}
