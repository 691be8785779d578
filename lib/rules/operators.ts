import { compare, equals } from './compare.js'

/**
 * What a comparison or a rule comes to. `undefined`: it cannot be decided, as with a text where a list is needed. Such a
 * rule does not hold, and neither does its opposite.
 */
export type Verdict = boolean | undefined

/** Whether what a rule names (left) stands to an operand (right) as an operator says. */
export type Comparison = (left: unknown, right: unknown) => Verdict

/** A list on the left holds if one of its elements does: `owners: "%%user.id"` asks whether the user is one of them. */
function anyOf(left: unknown, holds: (value: unknown) => boolean): boolean {
  return holds(left) || (Array.isArray(left) && left.some(holds))
}

/** Equality, with lists as above. */
export function matches(left: unknown, right: unknown): boolean {
  return anyOf(left, value => equals(value, right))
}

/** What is not a list neither holds a value nor lacks it: a list of banned users that is missing lets nobody through. */
const isIn: Comparison = (left, right) =>
  Array.isArray(right) ? right.some(element => matches(left, element)) : undefined

/** Values of two types have no order, and what is missing has none either. Of a list, one element is enough. */
function ordered(accepts: (order: number) => boolean): Comparison {
  const holds: Comparison = (left, right) => {
    const order = compare(left, right)
    return order === undefined ? undefined : accepts(order)
  }
  return (left, right) =>
    Array.isArray(left) ? someOf(left.map(element => holds(element, right))) : holds(left, right)
}

const isNot: Comparison = (left, right) => !matches(left, right)

/** The opposite of a verdict. */
export function opposite(verdict: Verdict): Verdict {
  return verdict === undefined ? undefined : !verdict
}

/** Whether all verdicts are true: one that is false decides, whatever the others are. */
export function everyOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false
  return verdicts.includes(undefined) ? undefined : true
}

/** Whether one verdict is true: one that is true decides, whatever the others are. */
export function someOf(verdicts: readonly Verdict[]): Verdict {
  return opposite(everyOf(verdicts.map(opposite)))
}

/** The operators that compare, by their name without the sign in front. */
export const COMPARISONS: ReadonlyMap<string, Comparison> = new Map<string, Comparison>([
  ['eq', matches],
  ['ne', isNot],
  ['neq', isNot],
  ['in', isIn],
  ['nin', (left, right) => opposite(isIn(left, right))],
  ['gt', ordered(order => order > 0)],
  ['gte', ordered(order => order >= 0)],
  ['lt', ordered(order => order < 0)],
  ['lte', ordered(order => order <= 0)],
])
