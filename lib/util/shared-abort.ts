/** An AbortController whose signal is listened to by many, each for a short time. */
export interface SharedAbort {
  readonly signal: AbortSignal
  abort(reason: unknown): void
}

type Listener = NonNullable<Parameters<AbortSignal['addEventListener']>[1]>

/**
 * Creates one. Node walks through all listeners of a signal with each that comes or goes, and the driver has three for each
 * command: so they are kept here, and called by the only one that Node knows.
 */
export function createSharedAbort(): SharedAbort {
  const controller = new AbortController()
  const { signal } = controller
  const listeners = new Set<Listener>()
  signal.addEventListener('abort', event => {
    for (const listener of [...listeners]) if (listeners.delete(listener)) call(listener, signal, event)
  })
  Object.assign(signal, {
    addEventListener(_type: 'abort', listener: Listener) {
      listeners.add(listener)
    },
    removeEventListener(_type: 'abort', listener: Listener) {
      listeners.delete(listener)
    },
  })
  return controller
}

/** As an event target calls its listeners: one that throws keeps no other from being called. */
function call(listener: Listener, signal: AbortSignal, event: Event): void {
  try {
    if (typeof listener === 'function') listener.call(signal, event)
    else listener.handleEvent(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
