/**
 * Waits for a promise, and resolves to `undefined` if the signal aborts first. Afterwards the signal has no listener of this
 * call, so a signal may live long.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      resolve(undefined)
    }
    const stopWaiting = (): void => {
      signal.removeEventListener('abort', stop)
    }
    signal.addEventListener('abort', stop)
    promise.then(resolve, reject).finally(stopWaiting)
    if (signal.aborted) stop()
  })
}
