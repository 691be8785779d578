import type { BaseIssue } from 'valibot'
import { OptionError } from '../errors.js'
import { isOfUnknownMembers } from './members.js'

/** An error that names each wrong option and what to write instead. */
export function explain(callee: string, issues: readonly BaseIssue<unknown>[]): OptionError {
  return new OptionError(`${callee}: ${issues.map(toLine).join('; ')}. The README lists all options.`)
}

/** An error about options that do not go together. */
export function wrong(message: string): OptionError {
  return new OptionError(`createCustomUserData: ${message}`)
}

function toLine(issue: BaseIssue<unknown>): string {
  const path = issue.path?.map(({ key }) => String(key)).join('.')
  return path === undefined || isOfUnknownMembers(issue)
    ? issue.message
    : `option "${path}": ${issue.message}`
}
