/** Lets a bounded number of operations run at a time; the others wait in order. */
export interface ConcurrencyLimit {
  /** Runs `operation` when there is room. Rejects with the signal's reason if it aborts while waiting. */
  run<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T>
}

/** Creates a limit of `max` operations at a time. */
export function createConcurrencyLimit(max: number): ConcurrencyLimit {
  const waiting = new Set<() => void>()
  let running = 0
  /** Hands the room over: freed first, it could be taken by one that comes before the next has woken up. */
  function release(): void {
    const [next] = waiting
    if (next) next()
    else running--
  }
  return {
    async run(signal, operation) {
      if (running >= max) await turn(waiting, signal)
      else running++
      try {
        return await operation()
      } finally {
        release()
      }
    },
  }
}

/** Resolves when its turn comes; an operation that gave up leaves the queue at once. */
function turn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    function leave(): void {
      waiting.delete(start)
      signal.removeEventListener('abort', abort)
    }
    function start(): void {
      leave()
      resolve()
    }
    function abort(): void {
      leave()
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
