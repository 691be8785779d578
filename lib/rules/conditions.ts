import { CONVERSIONS, EXTENDED_JSON } from './conversions.js'
import { isExpansion } from './expansions.js'
import type { RuleFacts } from './expansions.js'
import { compileOperand } from './operands.js'
import { everyOf, isIn, matches, matchesEitherWay, opposite, ORDERINGS, someOf } from './compare.js'
import type { Verdict } from './compare.js'
import { membersOf, mistake, operatorName, within } from './place.js'
import type { Place } from './place.js'

/** Whether a condition holds for the value that a field names. */
export type Condition = (left: unknown, facts: RuleFacts) => Verdict

const OPERATORS =
  'write one of $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, %and, %or, %nor, %not, %stringToOid, ' +
  '%oidToString, %stringToUuid and %uuidToString, or a function instead of the rule'

/** Compiles the condition of a field: operators that must all hold, or a value that the field must equal. */
export function compileCondition(value: unknown, place: Place): Condition {
  const members = membersOf(value)
  if (members?.length === 0) throw mistake(place, '{} is no condition; write a value, or { "$exists": true }')
  if (!members?.some(([key]) => isOperator(key))) return compileEquality(value, place)
  const conditions = members.map(([key, operand]) => compileOperator(key, operand, within(place, key)))
  return every(conditions)
}

function isOperator(key: string): boolean {
  return operatorName(key) !== undefined && !CONVERSIONS.has(key) && !EXTENDED_JSON.has(key)
}

function compileOperator(key: string, operand: unknown, place: Place): Condition {
  const name = operatorName(key)
  if (name === undefined) throw mistake(place, 'write either operators or a value, not both')
  const compare = COMPARISONS.get(name)
  if (compare) return compare(operand, place)
  if (name === 'exists') return compileExists(operand, place)
  if (name === 'not') return not(compileCondition(operand, place))
  const combine = COMBINATIONS.get(name)
  if (combine) return combine(compileEach(operand, place, compileCondition))
  throw mistake(place, `there is no operator "${key}": ${OPERATORS}`)
}

/**
 * A list in the rule itself is compared as a whole. A list that an expansion names also equals each of its elements, so that a
 * rule means the same with its two sides exchanged.
 */
function compileEquality(value: unknown, place: Place): Condition {
  const operand = compileOperand(value, place)
  const equal = isExpansionText(value) ? matchesEitherWay : matches
  return (left, facts) => equal(left, operand(facts))
}

function compileIn(list: unknown, place: Place): Condition {
  if (Array.isArray(list)) {
    const [first, ...others] = list.map((element, index) =>
      compileEquality(element, within(place, String(index))),
    )
    return first ? some([first, ...others]) : () => false
  }
  if (!isExpansionText(list)) throw mistake(place, 'write a list, or an expansion that is one')
  const operand = compileOperand(list, place)
  return (left, facts) => isIn(left, operand(facts))
}

function isExpansionText(value: unknown): boolean {
  return typeof value === 'string' && isExpansion(value)
}

const COMPARISONS: ReadonlyMap<string, (operand: unknown, place: Place) => Condition> = new Map([
  ['eq', compileEquality],
  ['ne', (operand, place) => not(compileEquality(operand, place))],
  ['neq', (operand, place) => not(compileEquality(operand, place))],
  ['in', compileIn],
  ['nin', (operand, place) => not(compileIn(operand, place))],
  ...[...ORDERINGS].map(
    ([name, comparison]) =>
      [
        name,
        (value: unknown, place: Place): Condition => {
          const operand = compileOperand(value, place)
          return (left, facts) => comparison(left, operand(facts))
        },
      ] as const,
  ),
])

/** App Services' templates write `{ "%exists": 1 }`. */
const EXISTS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  ['%%true', true],
  [1, true],
  [false, false],
  ['%%false', false],
  [0, false],
])

function compileExists(operand: unknown, place: Place): Condition {
  const isWanted = EXISTS.get(operand)
  if (isWanted === undefined) throw mistake(place, 'write true or false')
  return left => (left !== undefined) === isWanted
}

/** A condition or a rule. */
type Holds<Args extends unknown[]> = (...args: Args) => Verdict

/** The opposite of a condition or a rule. An undecided verdict stays undecided, so that `%not` accepts no user. */
export function not<Args extends unknown[]>(holds: Holds<Args>): Holds<Args> {
  return (...args) => opposite(holds(...args))
}

/** Holds if all conditions or rules hold. */
export function every<Args extends unknown[]>(all: readonly Holds<Args>[]): Holds<Args> {
  return (...args) => everyOf(all.map(holds => holds(...args)))
}

function some<Args extends unknown[]>(all: readonly Holds<Args>[]): Holds<Args> {
  return (...args) => someOf(all.map(holds => holds(...args)))
}

/** The operators over lists of conditions or rules, by their name without the sign in front. */
export const COMBINATIONS: ReadonlyMap<
  string,
  <Args extends unknown[]>(all: readonly Holds<Args>[]) => Holds<Args>
> = new Map([
  ['and', every],
  ['or', some],
  ['nor', <Args extends unknown[]>(all: readonly Holds<Args>[]) => not(some(all))],
])

/** Compiles each element of the list that a combination takes. */
export function compileEach<T>(
  list: unknown,
  place: Place,
  compile: (value: unknown, place: Place) => T,
): T[] {
  if (!Array.isArray(list) || list.length === 0) throw mistake(place, 'write a list of one or more')
  return list.map((element: unknown, index) => compile(element, within(place, String(index))))
}
