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

type Reject = (error: unknown) => void

/** What operations share that began at about the same time. */
interface Deadline {
  readonly timeoutMs: number
  /** Until when others may share it, in monotonic milliseconds. */
  readonly sharedUntil: number
  readonly abort: SharedAbort
  /** Those that have not settled. While there is none, the timer keeps no process alive. */
  readonly running: Set<Reject>
  /** After a standstill it is another one. */
  timer: NodeJS.Timeout
}

/** The latest of each length. */
const latest = new Map<number, Deadline>()

/**
 * Runs `operation` with a signal that aborts after `timeoutMs`, or up to a fiftieth later (10 to 100 ms), and rejects with
 * a {@link DeadlineError} then, whether or not the operation heeds the signal: the driver waits 30 s for a server by itself.
 * Where the process stood still when that time was over, the operation gets what it missed, `timeoutMs` at most.
 * The signal is others' as well, and may abort when the operation has long settled: it is for us and the driver, never
 * for the team's code.
 */
export function withDeadline<T>(
  timeoutMs: number,
  operation: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const deadline = join(timeoutMs)
  return new Promise<T>((resolve, reject) => {
    const rejectOnce: Reject = error => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it came
      if (leave(deadline, rejectOnce)) reject(error)
    }
    deadline.running.add(rejectOnce)
    start(operation, deadline.abort.signal).then(result => {
      if (leave(deadline, rejectOnce)) resolve(result)
    }, rejectOnce)
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
function leave(deadline: Deadline, operation: Reject): boolean {
  const wasRunning = deadline.running.delete(operation)
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
 * Called when the time is over. Where the timer is late, the operations go on for as long as it is late, and for `graceMs`
 * at most: that is left of what they may get in this way.
 */
function expire(deadline: Deadline, dueAt: number, graceMs: number): void {
  end(deadline)
  if (deadline.running.size === 0) return
  const now = performance.now()
  const lateMs = now - dueAt
  if (lateMs > LATE_MS && graceMs > 0) {
    const ms = Math.min(lateMs, graceMs)
    deadline.timer = setTimeout(() => expire(deadline, now + ms, graceMs - ms), ms)
  } else {
    // The event loop comes to sockets after its timers: an answer that has arrived is read first.
    setImmediate(fail, deadline)
  }
}

function fail({ timeoutMs, abort, running }: Deadline): void {
  if (running.size === 0) return
  const toError = (): DeadlineError => new DeadlineError(`No answer within ${timeoutMs} ms`)
  for (const reject of running) reject(toError())
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
