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

/** A timer that fires later than this, in milliseconds, was held up: its process, or the whole machine, stood still. */
const LATE_MS = 50

type Fail = (error: unknown) => void

/** What operations share that began at about the same time. */
interface Deadline {
  readonly timeoutMs: number
  /** Until when others may share it, in monotonic milliseconds. */
  readonly sharedUntil: number
  readonly abort: SharedAbort
  /** Those that have not settled. While there is none, the timer keeps no process alive. */
  readonly running: Set<Fail>
  timer: NodeJS.Timeout
}

/** The latest of each length. */
const latest = new Map<number, Deadline>()

/**
 * Runs `operation` with a signal that aborts after `timeoutMs`, or up to a fiftieth later (10 to 100 ms), and rejects with
 * a {@link DeadlineError} then, whether or not the operation heeds the signal: the driver waits 30 s for a server by itself.
 * Where the process stood still, it has that time again, up to `timeoutMs`.
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
  const ms = Math.min(timeoutMs + sharedMs(timeoutMs), MAX_TIMER_MS)
  const timer = setTimeout(() => expire(deadline, now + ms, timeoutMs), ms)
  const deadline: Deadline = { timeoutMs, sharedUntil: now + sharedMs(timeoutMs), abort, running, timer }
  latest.set(timeoutMs, deadline)
  return deadline
}

/**
 * Ends what has not settled; but where the timer is late, only after as much time again, and no more than `graceMs` in all:
 * after a standstill timers come before the answers that wait in their sockets, and those were in time.
 */
function expire(deadline: Deadline, dueAt: number, graceMs: number): void {
  end(deadline)
  const { timeoutMs, abort, running } = deadline
  if (running.size === 0) return
  const now = performance.now()
  const missedMs = Math.min(now - dueAt, graceMs)
  if (missedMs > LATE_MS) {
    deadline.timer = setTimeout(() => expire(deadline, now + missedMs, graceMs - missedMs), missedMs)
    return
  }
  const toError = (): DeadlineError => new DeadlineError(`No answer within ${timeoutMs} ms`)
  for (const fail of running) fail(toError())
  abort.abort(toError())
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
