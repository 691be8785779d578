import { inspect } from 'node:util'
import { onTestFinished, vi } from 'vitest'

/** Collects what the service reports during a test. The console stays silent. */
export function collectReports(): () => string {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  onTestFinished(() => {
    printed.mockRestore()
  })
  return () => printed.mock.calls.map(values => inspect(values)).join('\n')
}
