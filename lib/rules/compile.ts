import { describeValue } from '../describe-value.js'
import { COMBINATIONS, compileCondition, compileEach, not } from './conditions.js'
import { compileExpansion, isExpansion } from './expansions.js'
import type { RuleFacts } from './facts.js'
import { membersOf, mistake, operatorName, within } from './place.js'
import type { Place } from './place.js'

/**
 * A rule as App Services had it: `true`, `false`, or an object whose members must all hold, as
 * `{ '%%user.custom_data.role': 'admin' }`. The README lists expansions and operators.
 */
export type RuleExpression =
  | boolean
  // Functions pass for records otherwise: one that returns no boolean would.
  | (Readonly<Record<string, unknown>> & { readonly call?: never })

/** Whether a rule holds for a user and a request. Never throws. */
export type Rule = (facts: RuleFacts) => boolean

/** Compiles a rule, once; throws an `OptionError` that says where the mistake is and what to write instead. */
export function compileRule(expression: RuleExpression): Rule {
  return compileExpression(expression, [])
}

function compileExpression(expression: unknown, place: Place): Rule {
  if (typeof expression === 'boolean') return () => expression
  const members = membersOf(expression)
  if (!members)
    throw mistake(
      place,
      `write true, false, an object such as { "%%user.custom_data.role": "admin" }, or a function (given: ${describeValue(expression)})`,
    )
  const rules = members.map(([key, value]) => compileMember(key, value, within(place, key)))
  return facts => rules.every(holds => holds(facts))
}

function compileMember(key: string, value: unknown, place: Place): Rule {
  if (isExpansion(key)) return compileField(key, value, place)
  const name = operatorName(key)
  if (name === 'not') return not(compileExpression(value, place))
  const combine = COMBINATIONS.get(name ?? '')
  if (combine) return combine(compileEach(value, place, compileExpression))
  if (name === undefined) {
    throw mistake(
      place,
      `a guard has no document: write "%%user.custom_data.${key}" for the user's own field`,
    )
  }
  throw mistake(
    place,
    `there is no operator "${key}" here: write %and, %or, %nor, %not, or an expansion such as %%user.id`,
  )
}

function compileField(key: string, value: unknown, place: Place): Rule {
  const left = compileExpansion(key, place)
  if ((key === '%%true' || key === '%%false') && isExpressionObject(value)) {
    const holds = compileExpression(value, place)
    return facts => holds(facts) === left(facts)
  }
  const condition = compileCondition(value, place)
  return facts => condition(left(facts), facts)
}

/** `%%true` and `%%false` may stand before a rule, which must be as they say. */
function isExpressionObject(value: unknown): boolean {
  return membersOf(value)?.some(([key]) => isExpansion(key) || isCombination(key)) === true
}

function isCombination(key: string): boolean {
  const name = operatorName(key) ?? ''
  return name === 'not' || COMBINATIONS.has(name)
}
