import * as v from 'valibot'
import { OptionError } from '../index.js'

/** An object with these members and no others. */
export function membersOf<Entries extends v.ObjectEntries>(entries: Entries) {
  return v.strictObject(entries, issue => {
    if (issue.expected !== 'never')
      return issue.expected === 'Object' ? 'give an object of options' : 'is missing'
    return `there is no such option; the options here are ${Object.keys(entries).join(', ')}`
  })
}

/** A function of the team. Its parameters are not known at run time. */
export function aFunction<Wanted extends (...args: never[]) => unknown>() {
  return v.custom<Wanted>(value => typeof value === 'function', 'write a function')
}

/** A text that is not empty. */
export const aText = v.pipe(v.string('write a text'), v.nonEmpty('write a text that is not empty'))

/** `true` or `false`. Other values are probably a mistake. */
export const aBoolean = v.boolean('write true or false')

/** A whole number within bounds. */
export function aWholeNumber(min: number, max: number) {
  const says = `write a whole number from ${min} to ${max}`
  return v.pipe(v.number(says), v.integer(says), v.minValue(min, says), v.maxValue(max, says))
}

/**
 * Parses options once, at creation.
 * @throws OptionError that names each wrong option and says what to write instead
 */
export function checkOptions<Parsed>(
  callee: string,
  schema: v.GenericSchema<unknown, Parsed>,
  given: unknown,
): Parsed {
  const result = v.safeParse(schema, given)
  if (result.success) return result.output
  throw new OptionError(`${callee}: ${result.issues.map(toLine).join('; ')}.`)
}

/** Values are not shown, because many options here hold secrets. Their types are. */
function toLine(issue: v.BaseIssue<unknown>): string {
  const path = issue.path?.map(({ key }) => String(key)).join('.')
  const value: unknown = issue.path ? issue.path.at(-1)?.value : issue.input
  const given = value === undefined || issue.expected === 'never' ? '' : ` (given: ${typeOf(value)})`
  return `${path === undefined ? '' : `option "${path}": `}${issue.message}${given}`
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`
}
