import { isOutOfTime } from '../../checks/surveys/scan.js'
import { surveySecrets } from '../../checks/surveys/secrets.js'
import { notChecked, outOfTime } from '../../checks/surveys/survey.js'
import type { SurveyLimits, SurveyResult } from '../../checks/surveys/survey.js'
import { isUnauthorized } from '../../mongo/database-errors.js'
import { describeForLog } from '../../util/redaction.js'
import { EXIT } from '../terminal.js'
import type { Terminal } from '../terminal.js'
import { findAddress } from './address.js'
import { close, connect } from './connect.js'
import { parseDoctorOptions } from './options.js'
import type { DoctorOptions } from './options.js'
import { printJson, printReport } from './print.js'
import { Progress } from './progress.js'
import { Report } from './report.js'
import { createSteps } from './steps.js'
import type { Step } from './steps.js'

/** Looks at a database and at secrets, and prints what was found. Resolves to the exit code. */
export async function doctor(args: readonly string[], terminal: Terminal, version: string): Promise<number> {
  const options = parseDoctorOptions(args, terminal.env)
  const { isJson, isStrict, secretNames, timeoutMs } = options
  const address = await findAddress(options.uri, terminal, timeoutMs)
  const report = new Report()
  if (address.findings.length > 0)
    report.add('address', { says: 'has a password in --uri', findings: address.findings, facts: {} })
  const progress = new Progress(terminal, isJson)
  progress.begin('connection')
  const connection = await connect({ ...options, uri: address.uri, cwd: terminal.cwd }, report)
  progress.clear()
  if (connection) {
    try {
      for (const step of createSteps(connection, options, terminal.clock))
        await runStep(step, report, options, progress)
    } finally {
      progress.clear()
      await close(connection)
    }
  }
  // Without a connection the last problem so far is its reason.
  const error = connection ? undefined : report.findings.findLast(({ severity }) => severity === 'problem')
  if (secretNames.length > 0) report.add('secrets', surveySecrets(secretNames, terminal.env))
  const code = connection ? (report.hasFailed(isStrict) ? EXIT.found : EXIT.ok) : EXIT.failed
  if (isJson) printJson(report, { ok: code === EXIT.ok, error }, terminal)
  else printReport(report, `express-custom-user-data ${version}: doctor`, terminal)
  return code
}

async function runStep(
  { name, run, isSkipped, isOptional = false }: Step,
  report: Report,
  { timeoutMs }: DoctorOptions,
  progress: Progress,
): Promise<void> {
  if (isSkipped?.(report) === true) return
  progress.begin(name)
  const limits: SurveyLimits = {
    timeoutMs,
    progress: (done, total) => progress.report(name, done, total),
  }
  report.add(
    name,
    await run(limits, report).catch((error: unknown) => toUnchecked(name, error, isOptional, timeoutMs)),
  )
}

/** The result of a check that has failed. Nothing is known then, so it never looks as if all was well. */
function toUnchecked(name: string, error: unknown, isOptional: boolean, timeoutMs: number): SurveyResult {
  const says = 'not checked'
  if (isUnauthorized(error) && isOptional) {
    return { says: `${says}, because the database user may not look`, isNote: true, findings: [], facts: {} }
  }
  const why = isUnauthorized(error)
    ? 'the database user has no right to look. Grant the role "read" on the database, or run this command as another user.'
    : isOutOfTime(error)
      ? outOfTime(timeoutMs)
      : describeForLog(error)
  return { says, findings: [notChecked(`"${name}"`, why)], facts: {} }
}
