import { expect, it } from 'vitest'
import { notChecked } from '../../lib/checks/surveys/survey.js'
import { Report } from '../../lib/cli/doctor/report.js'

const result = { says: 'says', facts: {} }

it('a check that was not done makes the command fail, also without --strict', () => {
  const report = new Report()
  report.add('documents', { ...result, findings: [notChecked('All documents', 'no time.')] })
  expect(report.rows).toMatchObject([{ status: 'not checked' }])
  expect(report.hasFailed(false)).toBe(true)
})

it('a row with a problem and a check that was not done is a problem', () => {
  const report = new Report()
  const problem = { code: 'document_over_limit', message: '' } as const
  report.add('documents', { ...result, findings: [notChecked('All documents', 'no time.'), problem] })
  expect(report.rows).toMatchObject([{ status: 'problem' }])
})
