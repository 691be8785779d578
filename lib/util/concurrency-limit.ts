/** Rejection of an operation because too many operations wait already. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError'
}

/**
 * Lets `max` operations run at a time. More of them wait in order, in two queues of at most `maxWaiting` each: while
 * operations wait in the first queue, none of the second begins.
 */
export function createConcurrencyLimit(max: number, maxWaiting = Infinity) {
  const preferred = new Set<() => void>()
  const others = new Set<() => void>()
  let running = 0

  /**
   * Takes a place for one operation, which `leave()` gives back: at once, or when the promise resolves. Throws and rejects
   * like `run()`.
   */
  function enter(signal: AbortSignal, isPreferred = false): Promise<void> | undefined {
    const waiting = isPreferred ? preferred : others
    if (running >= max && waiting.size < maxWaiting) return waitForTurn(waiting, signal)
    if (running >= max) throw new QueueFullError(`${maxWaiting} operations wait already.`)
    running++
    return undefined
  }

  /** Gives the place to the next in order. If it were free first, a later operation could take it. */
  function leave(): void {
    const [next] = preferred.size > 0 ? preferred : others
    if (next) next()
    else running--
  }

  /**
   * Runs `operation` when there is a place. Rejects with the signal's reason if the signal aborts during the wait, and with a
   * {@link QueueFullError} if too many operations wait already.
   */
  async function run<T>(signal: AbortSignal, operation: () => Promise<T>, isPreferred = false): Promise<T> {
    const turn = enter(signal, isPreferred)
    if (turn) await turn
    try {
      return await operation()
    } finally {
      leave()
    }
  }

  return { enter, leave, run }
}

/** Resolves when it is the operation's turn. An operation whose signal aborts leaves the queue at once. */
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
