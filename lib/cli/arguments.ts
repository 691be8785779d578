import { parseArgs } from 'node:util'
import { describeValue } from '../util/describe-value.js'
import { nearestName } from '../util/nearest-name.js'
import { UsageError } from './terminal.js'

/** An option of a command. */
export interface OptionRule {
  /** What its value is called in the help; without it the option takes no value. */
  readonly value?: string
  /** Whether it may be given several times. */
  readonly isList?: boolean
  /** The line of the help. */
  readonly help: string
}

export type OptionRules = Readonly<Record<string, OptionRule>>

/** The values that were given for each option. An option without a value has an empty text. */
export type GivenOptions<Name extends string> = Readonly<Partial<Record<Name, readonly string[]>>>

/**
 * Reads the arguments of a command by the rules of its options.
 *
 * @throws {UsageError} that names the nearest option for a mistyped one
 */
export function readArguments<Rules extends OptionRules>(
  args: readonly string[],
  rules: Rules,
): GivenOptions<keyof Rules & string> {
  const options = Object.fromEntries(
    Object.entries(rules).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  )
  // Not strict, because the errors of Node do not name the nearest option.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const given: Partial<Record<string, string[]>> = {}
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const rule = Object.hasOwn(rules, token.name) ? rules[token.name] : undefined
    if (!rule) throw unknown(token.rawName, Object.keys(rules))
    const value = valueOf(token, rule)
    const values = (given[token.name] ??= [])
    if (values.length > 0 && rule.isList !== true)
      throw new UsageError(`${token.rawName} is given twice. Write it once.`)
    values.push(value)
  }
  const extra = tokens.find(({ kind }) => kind === 'positional')
  if (extra?.kind === 'positional') throw unexpected(extra.value, rules)
  return given as Partial<Record<keyof Rules & string, string[]>>
}

interface OptionToken {
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function valueOf({ rawName, value, inlineValue }: OptionToken, rule: OptionRule): string {
  if (rule.value === undefined) {
    if (value === undefined) return ''
    throw new UsageError(`${rawName} takes no value. Write ${rawName} alone.`)
  }
  const looksLikeOption = inlineValue !== true && value !== '-' && value?.startsWith('-') === true
  if (value === undefined || value === '' || looksLikeOption)
    throw new UsageError(`${rawName} needs a value: ${rawName} ${rule.value}.`)
  return value
}

function unknown(rawName: string, names: readonly string[]): UsageError {
  const nearest = nearestName(rawName.replace(/^-+/, ''), names)
  const advice =
    nearest === undefined
      ? `The options are ${names.map(name => `--${name}`).join(', ')}.`
      : `Did you mean --${nearest}?`
  return new UsageError(`there is no option ${describeValue(rawName)}. ${advice}`)
}

/** An address may have a password, and a secret may have been written in place of its variable, so texts are not all shown. */
function unexpected(value: string, rules: OptionRules): UsageError {
  const lists = Object.entries(rules).filter(([, { isList }]) => isList === true)
  const repeated = lists.map(([name]) => `--${name}`).join(', ')
  const hint = repeated === '' ? '' : ` Repeat ${repeated} before each of several values.`
  const shown = /^[\w.-]{1,20}$/.test(value) ? `: "${value}"` : ''
  return new UsageError(`there is a value without an option${shown}.${hint}`)
}

/** The lines of a help text about the options, in columns. */
export function describeOptions(rules: OptionRules): string {
  const rows = Object.entries(rules).map(([name, { value, help }]) => ({
    left: `--${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  }))
  const width = Math.max(...rows.map(({ left }) => left.length))
  return rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`).join('\n')
}
