import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { countTests, formatCounts, sumCounts } from './counts.js'

const REPORT = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] }

it('counts the tests of a report', () => {
  const report = { ...REPORT, numFailedTests: 2, numPendingTests: 3, numTodoTests: 1 }
  expect(countTests(reportFile(report), 1)).toEqual({ passed: 7, failed: 2, skipped: 4 })
})

it('counts a test file that cannot be loaded as a failed test', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'passed', assertionResults: [] },
  ]
  expect(countTests(reportFile({ ...REPORT, testResults }), 1)).toMatchObject({ passed: 7, failed: 1 })
})

it('counts a run that failed without a failed test as one failure', () => {
  expect(countTests(reportFile(REPORT), 1)).toMatchObject({ passed: 7, failed: 1 })
  expect(countTests(reportFile(REPORT), null)).toMatchObject({ passed: 7, failed: 1 })
})

it('counts a run without a report as one failure', () => {
  vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  expect(countTests('/there/is/no/report.json', 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

it('adds and formats the counts, and names skipped tests only if there are any', () => {
  const one = { passed: 1, failed: 0, skipped: 0 }
  expect(formatCounts(sumCounts([one, one]))).toBe('2 passed, 0 failed')
  expect(formatCounts(sumCounts([one, { passed: 0, failed: 2, skipped: 3 }]))).toBe(
    '1 passed, 2 failed, 3 skipped',
  )
})

function reportFile(report: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'counts-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const file = join(folder, 'report.json')
  writeFileSync(file, JSON.stringify(report))
  return file
}
