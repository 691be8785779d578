import { createSharedAbort } from './shared-abort.js'
import type { SharedAbort } from './shared-abort.js'

/** Node's timers take no more, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Rejection of an operation that did not settle in its time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/** Operations that begin within so many milliseconds of each other share one timer and one signal. */
const SHARED_MS = 10

type Reject = (error: DeadlineError) => void

/** What operations share that began at about the same time. */
interface Deadline {
  readonly timeoutMs: number
  /** Until when others may share it, in monotonic milliseconds. */
  readonly sharedUntil: number
  readonly abort: SharedAbort
  /** Those that have not settled. While there is none, the timer keeps no process alive. */
  readonly running: Set<Reject>
  readonly timer: NodeJS.Timeout
}

/** The latest of each length. */
const latest = new Map<number, Deadline>()

/**
 * Runs `operation` with a signal that aborts after `timeoutMs`, or up to 10 ms later, and rejects with a
 * {@link DeadlineError} then, whether or not the operation heeds the signal: the driver waits 30 s for a server by itself.
 * The signal is others' as well, and may abort when the operation has long settled: it is for us and the driver, never
 * for the team's code.
 */
export function withDeadline<T>(
  timeoutMs: number,
  operation: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const deadline = join(timeoutMs)
  return new Promise<T>((resolve, reject) => {
    deadline.running.add(reject)
    run(operation, deadline, reject).then(resolve, reject)
  })
}

async function run<T>(
  operation: (signal: AbortSignal) => T | Promise<T>,
  deadline: Deadline,
  reject: Reject,
): Promise<T> {
  try {
    return await operation(deadline.abort.signal)
  } finally {
    deadline.running.delete(reject)
    if (deadline.running.size === 0) rest(deadline)
  }
}

function join(timeoutMs: number): Deadline {
  const now = performance.now()
  const shared = latest.get(timeoutMs)
  if (shared && now < shared.sharedUntil) {
    shared.timer.ref()
    return shared
  }
  if (shared?.running.size === 0) end(shared)
  const abort = createSharedAbort()
  const running: Deadline['running'] = new Set()
  const timer = setTimeout(
    () => {
      end(deadline)
      if (running.size === 0) return
      const toError = (): DeadlineError => new DeadlineError(`No answer within ${timeoutMs} ms`)
      for (const reject of running) reject(toError())
      abort.abort(toError())
    },
    Math.min(timeoutMs + SHARED_MS, MAX_TIMER_MS),
  )
  const deadline = { timeoutMs, sharedUntil: now + SHARED_MS, abort, running, timer }
  latest.set(timeoutMs, deadline)
  return deadline
}

/** Nobody is in it. Others may still join the latest. */
function rest(deadline: Deadline): void {
  if (latest.get(deadline.timeoutMs) === deadline) deadline.timer.unref()
  else end(deadline)
}

/** Nobody joins it any more. */
function end(deadline: Deadline): void {
  clearTimeout(deadline.timer)
  if (latest.get(deadline.timeoutMs) === deadline) latest.delete(deadline.timeoutMs)
}
