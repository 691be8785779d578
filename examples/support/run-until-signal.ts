import { setTimeout as wait } from 'node:timers/promises'

/** Passed to the function that starts a process. */
export interface Lifecycle {
  /** Registers how to undo a step. Throws if the process has been told to end. */
  readonly onStop: (stop: () => unknown) => void
  /** Aborts when the process is told to end. */
  readonly signal: AbortSignal
}

/** The longest wait for a step that is still running and so cannot be undone yet. */
const START_LIMIT_MS = 1_500
/** The process ends within five seconds, even if a step hangs. */
const STOP_LIMIT_MS = 4_500

/**
 * Runs `start`. On SIGINT or SIGTERM it undoes the steps, the last one first, and exits with 0. If `start` fails, it prints
 * the reason, undoes the steps, and exits with 1.
 */
export function runUntilSignal(start: (lifecycle: Lifecycle) => Promise<void>): void {
  const stops: (() => unknown)[] = []
  const stopping = new AbortController()
  const { signal } = stopping

  async function end(exitCode: number): Promise<void> {
    // Under npm, Ctrl-C arrives twice: from the terminal and from npm.
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

  // Registered before the start, because a signal can come during the start.
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
    // Not awaited here, because it waits for this function.
    void end(1)
  })
}

/** The messages of an error and its causes, without stacks. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}\n${describeError(error.cause)}`
}

/** Reports an error instead of throwing it, so that the other steps are undone too. */
async function attempt(stop: () => unknown): Promise<void> {
  try {
    await stop()
  } catch (error) {
    console.error(describeError(error))
  }
}
