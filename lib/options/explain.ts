import type { BaseIssue } from 'valibot'
import { describeAlgorithm, describeType, describeValue } from '../util/describe-value.js'
import { OptionError } from '../errors.js'
import { isOfUnknownMembers } from './options-object.js'

/** Options that hold secrets or keys. Messages name only the type of their values. */
const SECRET_OPTIONS = ['secret', 'keys', 'sessionSecrets', 'credentials', 'decoyHash']

/** An error that names each wrong option, shows what was given and says what to write instead. */
export function explain(callee: string, issues: readonly BaseIssue<unknown>[]): OptionError {
  return new OptionError(`${callee}: ${joinLines(issues.map(toLine))} The README lists all options.`)
}

/** An error about a combination of options. */
export function wrong(message: string): OptionError {
  return new OptionError(`createCustomUserData: ${message}`)
}

/** Ends each line with a full stop, unless it ends with a question mark. */
function joinLines(lines: readonly string[]): string {
  return `${lines.join('; ')}.`.replaceAll(/\?[;.]/g, '?')
}

function toLine(issue: BaseIssue<unknown>): string {
  const steps = issue.path?.map(({ key }) => String(key)) ?? []
  const place = isOfUnknownMembers(issue) ? steps.slice(0, -1) : steps
  const message = isOfUnknownMembers(issue) ? issue.message : issue.message + given(issue, steps)
  return place.length === 0 ? message : `option "${place.join('.')}": ${message}`
}

/** Shows the given value. Empty for a missing option, and for a value in place of all options, which may be a secret. */
function given(issue: BaseIssue<unknown>, steps: readonly string[]): string {
  const [option] = steps
  const value: unknown = issue.path ? issue.path.at(-1)?.value : issue.input
  if (option !== undefined && value === undefined) return ''
  if (steps.includes('algorithms')) return ` (given: ${describeAlgorithm(value)})`
  const isSecret = option === undefined || SECRET_OPTIONS.includes(option)
  return ` (given: ${isSecret ? describeType(value) : describeValue(value)})`
}
