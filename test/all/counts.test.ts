import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { formatCounts, readOutcome, sumCounts } from './counts.js'

const REPORT = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] }

it('counts the tests of a report', () => {
  const report = { ...REPORT, numFailedTests: 2, numPendingTests: 3, numTodoTests: 1 }
  expect(readOutcome(reportFile(report), 1).counts).toEqual({ passed: 7, failed: 2, skipped: 4 })
})

it('counts a test file that cannot be loaded as a failed test', () => {
  const testResults = [
    { name: 'a.test.ts', status: 'failed', message: 'no such module', assertionResults: [] },
    { name: 'b.test.ts', status: 'passed', assertionResults: [] },
  ]
  expect(readOutcome(reportFile({ ...REPORT, testResults }), 1)).toEqual({
    counts: { passed: 7, failed: 1, skipped: 0 },
    failures: [{ file: 'a.test.ts', test: '(the file could not be loaded)', message: 'no such module' }],
  })
})

it('names each failed test with its file and the first line of its error', () => {
  const assertionResults = [
    { fullName: 'a sum is right', status: 'passed' },
    {
      fullName: 'a sum is wrong',
      status: 'failed',
      failureMessages: ['expected 1 to be 2\n    at sum.test.ts:3'],
    },
  ]
  const testResults = [{ name: 'sum.test.ts', status: 'failed', assertionResults }]
  expect(readOutcome(reportFile({ ...REPORT, numFailedTests: 1, testResults }), 1).failures).toEqual([
    { file: 'sum.test.ts', test: 'a sum is wrong', message: 'expected 1 to be 2' },
  ])
})

it('counts a run that failed without a failed test as one failure', () => {
  expect(readOutcome(reportFile(REPORT), 1).counts).toMatchObject({ passed: 7, failed: 1 })
  expect(readOutcome(reportFile(REPORT), null).counts).toMatchObject({ passed: 7, failed: 1 })
})

it('counts a run without a report as one failure', () => {
  vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => {
    vi.restoreAllMocks()
  })
  expect(readOutcome('/there/is/no/report.json', 0).counts).toEqual({ passed: 0, failed: 1, skipped: 0 })
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
