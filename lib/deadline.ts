import { createSharedAbort } from './shared-abort.js'
import type { SharedAbort } from './shared-abort.js'

/** Node's timers take no more, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Rejection of an operation that did not settle in its time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/**
 * Operations that begin within so many milliseconds of each other share one timer and one signal: a fiftieth of their time,
 * but so many at least and at most.
 */
const SHARED_MS = { least: 10, most: 100 }

function sharedMs(timeoutMs: number): number {
  return Math.min(Math.max(timeoutMs / 50, SHARED_MS.least), SHARED_MS.most)
}

type Fail = (error: unknown) => void

/** What operations share that began at about the same time. */
interface Deadline {
  readonly timeoutMs: number
  /** Until when others may share it, in monotonic milliseconds. */
  readonly sharedUntil: number
  readonly abort: SharedAbort
  /** Those that have not settled. While there is none, the timer keeps no process alive. */
  readonly running: Set<Fail>
  readonly timer: NodeJS.Timeout
}

/** The latest of each length. */
const latest = new Map<number, Deadline>()

/**
 * Runs `operation` with a signal that aborts after `timeoutMs`, or up to a fiftieth later (10 to 100 ms), and rejects with
 * a {@link DeadlineError} then, whether or not the operation heeds the signal: the driver waits 30 s for a server by itself.
 * The signal is others' as well, and may abort when the operation has long settled: it is for us and the driver, never
 * for the team's code.
 */
export function withDeadline<T>(
  timeoutMs: number,
  operation: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const deadline = join(timeoutMs)
  return new Promise<T>((resolve, reject) => {
    const fail: Fail = error => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it came
      if (leave(deadline, fail)) reject(error)
    }
    deadline.running.add(fail)
    start(operation, deadline.abort.signal).then(result => {
      if (leave(deadline, fail)) resolve(result)
    }, fail)
  })
}

/** Not an async function: each further one that is waited for costs a load 1 us. */
function start<T>(operation: (signal: AbortSignal) => T | Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return Promise.resolve(operation(signal))
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it came
    return Promise.reject(error)
  }
}

/** Whether it was still running. */
function leave(deadline: Deadline, fail: Fail): boolean {
  const wasRunning = deadline.running.delete(fail)
  if (deadline.running.size === 0) rest(deadline)
  return wasRunning
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
      for (const fail of running) fail(toError())
      abort.abort(toError())
    },
    Math.min(timeoutMs + sharedMs(timeoutMs), MAX_TIMER_MS),
  )
  const deadline = { timeoutMs, sharedUntil: now + sharedMs(timeoutMs), abort, running, timer }
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
