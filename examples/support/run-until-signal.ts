import { setTimeout as wait } from 'node:timers/promises'

/** What a process is given to start by. */
export interface Lifecycle {
  /** Registers how to undo a step that was just taken. Throws when the process is to end already. */
  readonly onStop: (stop: () => unknown) => void
  /** Aborts when the process is to end. */
  readonly signal: AbortSignal
}

/** A step that cannot be undone yet, because it is still being taken, is waited for no longer than this. */
const START_LIMIT_MS = 1_500
/** Whatever hangs: the process is gone before five seconds are over. */
const STOP_LIMIT_MS = 4_500

/**
 * Runs `start`. On SIGINT or SIGTERM undoes its steps, the last first, and exits with 0; when it fails, says why,
 * undoes what was done, and exits with 1.
 */
export function runUntilSignal(start: (lifecycle: Lifecycle) => Promise<void>): void {
  const stops: (() => unknown)[] = []
  const stopping = new AbortController()
  const { signal } = stopping

  async function end(exitCode: number): Promise<void> {
    // Under npm, Ctrl-C arrives twice: from the terminal, and passed on by npm.
    if (signal.aborted) return
    stopping.abort()
    setTimeout(() => {
      console.error('Ended by force: something did not stop in time.')
      process.exit(exitCode)
    }, STOP_LIMIT_MS)
    await Promise.race([started, wait(START_LIMIT_MS)])
    for (const stop of stops.reverse()) await attempt(stop)
    process.exit(exitCode)
  }

  // Before the start: it can take a while, and it can be interrupted.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => void end(0))
  const started = start({
    signal,
    onStop(stop) {
      stops.push(stop)
      signal.throwIfAborted()
    },
  }).catch((error: unknown) => {
    if (signal.aborted) return
    console.error(describeError(error))
    // Not awaited here: it waits for this to settle.
    void end(1)
  })
}

/** A message with those of its causes, for people; no stack. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}\n${describeError(error.cause)}`
}

/** What cannot be stopped must not keep the rest from being stopped. */
async function attempt(stop: () => unknown): Promise<void> {
  try {
    await stop()
  } catch (error) {
    console.error(describeError(error))
  }
}
