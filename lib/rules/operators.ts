import { compare, equals } from './compare.js'

/**
 * The result of a comparison or a rule. `undefined` means that it cannot be decided, for example a text in place of a list.
 * An undecided rule does not hold, and its opposite does not hold either.
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

/** Undecided if there is no list. So a rule over a missing list of banned users lets nobody through. */
const isIn: Comparison = (left, right) =>
  Array.isArray(right) ? right.some(element => matches(left, element)) : undefined

/** Values of two types have no order, and missing values have none. For a list one matching element is enough. */
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

/** Whether all verdicts are true. A single false verdict decides, even if others are undecided. */
export function everyOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false
  return verdicts.includes(undefined) ? undefined : true
}

/** Whether at least one verdict is true. A single true verdict decides, even if others are undecided. */
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
