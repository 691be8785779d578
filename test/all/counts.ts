import { readFileSync } from 'node:fs'

/** How many tests passed, failed and did not run. */
export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The members of vitest's JSON report that are read here. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

/**
 * Counts the tests in a JSON report of vitest. A run that failed without a failed test counts as one failure: its
 * coverage may be too low, an error may have been unhandled, or it may have ended before it could report.
 */
export function countTests(reportFile: string, exitCode: number | null): Counts {
  const counts = readCounts(reportFile)
  return exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

function readCounts(reportFile: string): Counts {
  let report: Report
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  } catch (error) {
    console.error(`There is no report of the tests: ${String(error)}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  // A file that cannot be loaded has no test that could fail, so the file counts as a failed test.
  const unloadable = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** Adds the counts of several runs. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts) => all.reduce((total, counts) => total + counts[name], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** Formats counts as `N passed, N failed[, N skipped]`. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : '')
}
