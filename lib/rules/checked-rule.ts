import * as v from 'valibot'
import { parseArgument } from '../options/arguments.js'
import { optionsObject } from '../options/options-object.js'
import { createRule } from './compile.js'
import type { Rule, RuleExpression } from './compile.js'
import type { RequestFacts } from './expansions.js'

const FUNCTION = 'write a function that takes a name'

const aText = v.string('write a text')

const requestFacts = v.pipe(
  v.looseObject(
    {
      method: aText,
      ip: v.optional(aText),
      rawQueryString: aText,
      header: v.function(FUNCTION),
      param: v.function(FUNCTION),
    },
    'give { method, ip, rawQueryString, header, param }',
  ),
  v.transform(request => request as unknown as RequestFacts),
)

const ruleFacts = optionsObject('give { userId, customData }', {
  userId: aText,
  customData: v.optional(v.unknown()),
  userData: v.optional(v.unknown()),
  userType: v.optional(aText),
  request: v.optional(requestFacts),
})

/**
 * Compiles a rule expression, for a decision of your own code. `allow()` does the same for a request.
 *
 * @returns a function that tells whether the rule holds. It throws an `OptionError` for facts of another form
 * @throws OptionError that says where the mistake in the rule is, and what to write instead
 * @example
 * const maySee = compileRule({ '%%user.custom_data.teams': 'sales' })
 * const isAllowed = maySee({ userId: id, customData: await userData.forUser(id).read() })
 */
export function compileRule(expression: RuleExpression): Rule {
  const rule = createRule(expression)
  return facts => rule(parseArgument('compileRule()', ruleFacts, facts))
}
