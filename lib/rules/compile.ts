import { describeValue } from '../util/describe-value.js'
import { COMBINATIONS, compileCondition, compileEach, every, not } from './conditions.js'
import { compileExpansion, isExpansion } from './expansions.js'
import type { RuleFacts } from './expansions.js'
import type { Verdict } from './compare.js'
import { membersOf, mistake, operatorName, within } from './place.js'
import type { Place } from './place.js'

/**
 * A rule as App Services had it: `true`, `false`, or an object whose members must all hold, as
 * `{ '%%user.custom_data.role': 'admin' }`. docs/guards-and-rules.md lists expansions and operators.
 *
 * A condition that cannot be decided does not hold, and its opposite under `%not` does not hold either. This concerns `$in`
 * and `$nin` with a value that is not a list, and `$gt`, `$gte`, `$lt` and `$lte` between values without an order.
 * @example { '%or': [{ '%%user.custom_data.banned': { $exists: false } }, { '%%user.id': { $nin: '%%user.custom_data.banned' } }] }
 */
export type RuleExpression =
  | boolean
  // Without this member a function that returns no boolean would have the type of a record.
  | (Readonly<Record<string, unknown>> & { readonly call?: never })

/** Whether a rule holds for a user and a request. Never throws. */
export type Rule = (facts: RuleFacts) => boolean

/** Compiles a rule, once; throws an `OptionError` that says where the mistake is and what to write instead. */
export function createRule(expression: RuleExpression): Rule {
  const verdict = compileExpression(expression, [])
  return facts => verdict(facts) === true
}

/** A part of a rule. If it cannot be decided, other parts may decide the rule; otherwise the rule does not hold. */
type Part = (facts: RuleFacts) => Verdict

function compileExpression(expression: unknown, place: Place): Part {
  if (typeof expression === 'boolean') return () => expression
  const members = membersOf(expression)
  if (!members)
    throw mistake(
      place,
      `write true, false, an object such as { "%%user.custom_data.role": "admin" }, or a function (given: ${describeValue(expression)})`,
    )
  const rules = members.map(([key, value]) => compileMember(key, value, within(place, key)))
  return every(rules)
}

function compileMember(key: string, value: unknown, place: Place): Part {
  if (isExpansion(key)) return compileField(key, value, place)
  const name = operatorName(key)
  if (name === 'not') return not(compileExpression(value, place))
  const combine = COMBINATIONS.get(name ?? '')
  if (combine) return combine(compileEach(value, place, compileExpression))
  if (name === undefined) throw mistake(place, withoutDocument(key, value))
  throw mistake(
    place,
    `there is no operator "${key}" here: write %and, %or, %nor, %not, or an expansion such as %%user.id`,
  )
}

/**
 * A rule about a document that is read or written. For a rule such as `{ owner: '%%user.id' }` a field of the custom data
 * is no help: every user is the owner of their own custom data, so that rule would let everybody through.
 */
function withoutDocument(key: string, value: unknown): string {
  if (value === '%%user.id') {
    return (
      'a guard has no document: write { "%%user.id": "%%request.params.NAME" } if the address names the owner, use ownData(), ' +
      'or search your collection by the id of the user'
    )
  }
  return `a guard has no document: write "%%user.custom_data.${key}" for the user's own field`
}

function compileField(key: string, value: unknown, place: Place): Part {
  const left = compileExpansion(key, place)
  if ((key === '%%true' || key === '%%false') && isExpressionObject(value)) {
    const holds = compileExpression(value, place)
    return key === '%%true' ? holds : not(holds)
  }
  const condition = compileCondition(value, place)
  return facts => condition(left(facts), facts)
}

/** The value of `%%true` or `%%false` may be a rule, which must then hold or not hold. */
function isExpressionObject(value: unknown): boolean {
  return membersOf(value)?.some(([key]) => isExpansion(key) || isCombination(key)) === true
}

function isCombination(key: string): boolean {
  const name = operatorName(key) ?? ''
  return name === 'not' || COMBINATIONS.has(name)
}
