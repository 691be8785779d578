/** Lets a bounded number of operations run at a time; the others wait in order. */
export interface ConcurrencyLimit {
  /**
   * Takes room for one operation, to be given back by `leave()`: at once, or when the promise resolves. Throws and rejects
   * as `run()` does.
   */
  enter(signal: AbortSignal): Promise<void> | undefined
  leave(): void
  /**
   * Runs `operation` when there is room. Rejects with the signal's reason if it aborts while waiting, and with a
   * {@link QueueFullError} where too many wait already.
   */
  run<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T>
}

/** Rejection of an operation that there is no room to wait for. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError'
}

/** Creates a limit of `max` operations at a time, and of `maxWaiting` that wait. */
export function createConcurrencyLimit(max: number, maxWaiting = Infinity): ConcurrencyLimit {
  const waiting = new Set<() => void>()
  let running = 0
  function enter(signal: AbortSignal): Promise<void> | undefined {
    if (running >= max && waiting.size < maxWaiting) return waitForTurn(waiting, signal)
    if (running >= max) throw new QueueFullError(`More than ${maxWaiting} wait already.`)
    running++
    return undefined
  }
  /** Hands the room over: freed first, it could be taken by one that comes before the next has woken up. */
  function leave(): void {
    const [next] = waiting
    if (next) next()
    else running--
  }
  return {
    enter,
    leave,
    async run(signal, operation) {
      const turn = enter(signal)
      if (turn) await turn
      try {
        return await operation()
      } finally {
        leave()
      }
    },
  }
}

/** Resolves when its turn comes; an operation that gave up leaves the queue at once. */
function waitForTurn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    function stopWaiting(): void {
      waiting.delete(start)
      signal.removeEventListener('abort', abort)
    }
    function start(): void {
      stopWaiting()
      resolve()
    }
    function abort(): void {
      stopWaiting()
      reject(signal.reason as Error)
    }
    if (signal.aborted) {
      abort()
      return
    }
    waiting.add(start)
    signal.addEventListener('abort', abort)
  })
}
