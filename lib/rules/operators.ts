import { compare, equals } from './compare.js'

/** Whether what a rule names (left) stands to an operand (right) as an operator says. */
export type Comparison = (left: unknown, right: unknown) => boolean

/** A list on the left holds if one of its elements does: `owners: "%%user.id"` asks whether the user is one of them. */
function anyOf(left: unknown, holds: (value: unknown) => boolean): boolean {
  return holds(left) || (Array.isArray(left) && left.some(holds))
}

/** Equality, with lists as above. */
export const matches: Comparison = (left, right) => anyOf(left, value => equals(value, right))

const isIn: Comparison = (left, right) =>
  Array.isArray(right) && right.some(element => matches(left, element))

function ordered(accepts: (order: number) => boolean): Comparison {
  return (left, right) =>
    anyOf(left, value => {
      const order = compare(value, right)
      return order !== undefined && accepts(order)
    })
}

const isNot: Comparison = (left, right) => !matches(left, right)

/** The operators that compare, by their name without the sign in front. */
export const COMPARISONS: ReadonlyMap<string, Comparison> = new Map<string, Comparison>([
  ['eq', matches],
  ['ne', isNot],
  ['neq', isNot],
  ['in', isIn],
  ['nin', (left, right) => !isIn(left, right)],
  ['gt', ordered(order => order > 0)],
  ['gte', ordered(order => order >= 0)],
  ['lt', ordered(order => order < 0)],
  ['lte', ordered(order => order <= 0)],
])
