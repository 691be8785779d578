import type { BaseIssue } from 'valibot'
import { describeAlgorithm, describeType, describeValue } from '../util/describe-value.js'
import { OptionError } from '../errors.js'
import { isOfUnknownMembers } from './options-object.js'

/** Options that hold secrets or keys. Messages name only the type of their values. */
const SECRET_OPTIONS = ['secret', 'keys', 'sessionSecrets', 'credentials', 'decoyHash']

/** The page of the installed package that explains each option. A file needs no network and has the version of the code. */
const OPTIONS_PAGE = 'node_modules/express-custom-user-data/docs/reference/options.md'

/** An error that names each wrong option, shows what was given, and says what to write instead and where to read more. */
export function explain(callee: string, issues: readonly BaseIssue<unknown>[]): OptionError {
  const page = `${OPTIONS_PAGE}#${anchorOf(callee, issues)}`
  return new OptionError(`${callee}: ${joinLines(issues.map(toLine))} See ${page}`)
}

/** The heading of the only wrong option of an instance, otherwise the heading of the function. */
function anchorOf(callee: string, issues: readonly BaseIssue<unknown>[]): string {
  const options = new Set(issues.map(issue => placeOf(issue)[0]))
  const [option] = options
  const isOfInstance = callee === 'createCustomUserData'
  const heading = isOfInstance && options.size === 1 && option !== undefined ? option : callee
  return heading.replaceAll(/\W/g, '').toLowerCase()
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
  const steps = stepsOf(issue)
  const place = placeOf(issue)
  const message = isOfUnknownMembers(issue) ? issue.message : issue.message + given(issue, steps)
  return place.length === 0 ? message : `option "${place.join('.')}": ${message}`
}

function stepsOf({ path }: BaseIssue<unknown>): string[] {
  return path?.map(({ key }) => String(key)) ?? []
}

/** The path to the wrong option; of unknown options the path to the object that they are in. */
function placeOf(issue: BaseIssue<unknown>): string[] {
  return isOfUnknownMembers(issue) ? stepsOf(issue).slice(0, -1) : stepsOf(issue)
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
