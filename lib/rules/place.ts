import { isPlainObject } from '../util/plain-object.js'
import { OptionError } from '../errors.js'

/** The path to a part of a rule, for error messages. */
export type Place = readonly string[]

/** A deeper rule is a mistake: probably an object that contains itself. */
const MAX_DEPTH = 50

/** The error for a mistake in a rule. It tells the place, the mistake, and what to write instead. */
export function mistake(place: Place, message: string): OptionError {
  const where = place.length === 0 ? '' : ` at ${place.join(' → ')}`
  return new OptionError(`allow(): the rule${where}: ${message}`)
}

/** The place of a member. Throws if it is too deep. */
export function within(place: Place, key: string): Place {
  if (place.length >= MAX_DEPTH) {
    throw new OptionError(`allow(): the rule is nested more than ${MAX_DEPTH} levels deep: write a function.`)
  }
  return [...place, JSON.stringify(key)]
}

/** The members of an object of a rule, or `undefined` for any other value. */
export function membersOf(value: unknown): [string, unknown][] | undefined {
  return isPlainObject(value) ? Object.entries(value) : undefined
}

/** The name of an operator, which is written with `$` or `%` in front; `undefined` for any other key. */
export function operatorName(key: string): string | undefined {
  return /^(?:\$|%(?!%))(.*)$/s.exec(key)?.[1]
}
