import type { Parts } from '../parts.js'

/**
 * Runs work after the answer, so that neither the answer nor the time until it tells whether an address has an account. An
 * error is reported, because no client waits for it.
 */
export function runAfterAnswer(work: () => Promise<void>, report: Parts['report']): void {
  setImmediate(() => {
    work().catch((error: unknown) => {
      report(error)
    })
  })
}
