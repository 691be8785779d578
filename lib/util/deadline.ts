/** The longest delay, in milliseconds, that a timer of Node accepts. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Rejection of an operation that did not settle in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/**
 * Runs `operation`, and rejects with a {@link DeadlineError} after `timeoutMs`, even if the operation ignores its signal.
 * The driver alone would wait 30 s for a server. The signal aborts with the same error.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  operation: (signal: AbortSignal) => T | PromiseLike<T>,
): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let lastChance: NodeJS.Immediate | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      // The event loop runs timers before it reads sockets. After a pause, an answer that has arrived is read first.
      lastChance = setImmediate(() => {
        const error = new DeadlineError(`No answer within ${timeoutMs} ms`)
        reject(error)
        controller.abort(error)
      })
    }, timeoutMs)
  })
  try {
    return await Promise.race([operation(controller.signal), expired])
  } finally {
    clearTimeout(timer)
    clearImmediate(lastChance)
  }
}
