import { readFileSync } from 'node:fs'

/** How many tests passed, failed and did not run. */
export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** A test that failed, or a test file that could not be loaded. */
export interface Failure {
  readonly file: string
  readonly test: string
  readonly message: string
}

export interface Outcome {
  readonly counts: Counts
  readonly failures: readonly Failure[]
}

/** The members of vitest's JSON report that are read here. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly FileResult[]
}

interface FileResult {
  readonly name: string
  readonly status: string
  readonly message?: string
  readonly assertionResults: readonly TestResult[]
}

interface TestResult {
  readonly fullName: string
  readonly status: string
  readonly failureMessages?: readonly string[] | null
}

/**
 * Counts the tests in a JSON report of vitest and names those that failed. A run that failed without a failed test counts
 * as one failure: its coverage may be too low, an error may have been unhandled, or it may have ended before it could
 * report.
 */
export function readOutcome(reportFile: string, exitCode: number | null): Outcome {
  const { counts, failures } = readReport(reportFile)
  return { failures, counts: exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts }
}

function readReport(reportFile: string): Outcome {
  let report: Report
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  } catch (error) {
    console.error(`There is no report of the tests: ${String(error)}`)
    return { counts: { passed: 0, failed: 1, skipped: 0 }, failures: [] }
  }
  const unloadable = report.testResults.filter(isUnloadable)
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
  return { counts, failures: report.testResults.flatMap(failuresOf) }
}

function failuresOf(result: FileResult): Failure[] {
  if (isUnloadable(result)) return [failure(result, '(the file could not be loaded)', result.message)]
  return result.assertionResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => failure(result, fullName, failureMessages?.[0]))
}

/** A file that cannot be loaded has no test that could fail, so the file counts as a failed test. */
function isUnloadable({ status, assertionResults }: FileResult): boolean {
  return status === 'failed' && assertionResults.length === 0
}

function failure({ name }: FileResult, test: string, message = ''): Failure {
  return { file: name, test, message: message.split('\n', 1)[0] ?? '' }
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
