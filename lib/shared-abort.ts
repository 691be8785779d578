import { setMaxListeners } from 'node:events'

/** An AbortController whose signal is listened to by many, each for a short time. */
export interface SharedAbort {
  readonly signal: AbortSignal
  abort(reason: unknown): void
}

type Listener = Parameters<AbortSignal['addEventListener']>[1]
type ListenerOptions = Parameters<AbortSignal['addEventListener']>[2]

/**
 * Creates one. Node walks through all listeners of a signal with each that comes or goes, and the driver has three for each
 * command. So they are kept here, and Node is told only of those that are there when it is time.
 */
export function createSharedAbort(): SharedAbort {
  const controller = new AbortController()
  const { signal } = controller
  const listeners = new Map<Listener, ListenerOptions>()
  const tellNode = signal.addEventListener.bind(signal)
  setMaxListeners(0, signal)
  Object.assign(signal, {
    addEventListener(_type: 'abort', listener: Listener, options?: ListenerOptions) {
      listeners.set(listener, options)
    },
    removeEventListener(_type: 'abort', listener: Listener) {
      listeners.delete(listener)
    },
  })
  return {
    signal,
    abort(reason) {
      for (const [listener, options] of listeners) tellNode('abort', listener, options)
      controller.abort(reason)
    },
  }
}
