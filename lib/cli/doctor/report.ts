import { severityOf } from '../../checks/surveys/survey-codes.js'
import type { Severity } from '../../checks/surveys/survey-codes.js'
import type { Finding, SurveyResult } from '../../checks/surveys/survey.js'
import { isSurveyCode } from '../../checks/surveys/survey-codes.js'

/** How a row of the table begins. `note`: nothing to judge. */
export type Status = 'ok' | 'note' | 'warning' | 'problem' | 'not checked'

/** One check in the table. */
export interface Row {
  readonly name: string
  readonly status: Status
  readonly says: string
  readonly lines: readonly string[]
}

/** A finding in the report. These members are the same in the JSON report. */
export interface ReportedFinding {
  readonly code: Finding['code']
  readonly severity: Severity
  readonly message: string
  /** The page of the installed package that explains the code. */
  readonly help: string
}

/** The pages of the installed package need no network, and have the version of the code. */
const DOCS = 'node_modules/express-custom-user-data/docs/reference'

/** The rows, findings and facts of one run. */
export class Report {
  readonly rows: Row[] = []
  readonly findings: ReportedFinding[] = []
  readonly facts: Record<string, unknown> = {}

  /** Adds the result of a check. */
  add(name: string, { says, lines = [], findings, facts, isNote = false }: SurveyResult): void {
    const reported = findings.map(toReported)
    this.rows.push({ name, status: statusOf(reported, isNote), says, lines })
    this.findings.push(...reported)
    Object.assign(this.facts, facts)
  }

  /** Whether there is a finding that makes the command fail. */
  hasFailed(isStrict: boolean): boolean {
    return isStrict ? this.findings.length > 0 : this.count('problem') > 0
  }

  count(severity: Severity): number {
    return this.findings.filter(one => one.severity === severity).length
  }
}

function toReported({ code, message, severity = severityOf(code) }: Finding): ReportedFinding {
  const page = isSurveyCode(code) ? 'doctor.md' : 'events.md'
  return { code, severity, message, help: `${DOCS}/${page}#${code}` }
}

/** The worst of its findings. */
function statusOf(findings: readonly ReportedFinding[], isNote: boolean): Status {
  const problems = findings.filter(({ severity }) => severity === 'problem')
  if (problems.some(({ code }) => code !== 'not_checked')) return 'problem'
  if (problems.length > 0) return 'not checked'
  if (findings.length > 0) return 'warning'
  return isNote ? 'note' : 'ok'
}
