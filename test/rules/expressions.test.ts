import { describe, expect, it } from 'vitest'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { createRule } from '../../lib/rules/compile.js'
import type { RuleExpression } from '../../lib/rules/compile.js'
import type { RuleFacts } from '../../lib/rules/expansions.js'
import { CUSTOM_DATA, EXPRESSIONS, GROUPS, UNDECIDED } from './expression-table.js'

const HEADERS: Partial<Record<string, string | string[]>> = {
  'x-team': 'red',
  'user-agent': 'curl/8',
  'x-twice': ['red', 'guest'],
}
const PARAMS: Partial<Record<string, string>> = {
  user: 'alice',
  team: 'red',
  oid: '5f6aae9a82989d521a606369',
  device: '01234567-89ab-4cde-8f01-23456789abcd',
}
const own = <T>(holder: Partial<Record<string, T>>, name: string) =>
  Object.hasOwn(holder, name) ? holder[name] : undefined

const FACTS: RuleFacts = {
  userId: 'alice',
  customData: toFrozenCopy(CUSTOM_DATA),
  userData: toFrozenCopy({ sub: 'alice', email: 'alice@example.com', realm_access: { roles: ['editor'] } }),
  request: {
    method: 'GET',
    ip: '203.0.113.7',
    rawQueryString: 'a=1',
    header: name => own(HEADERS, name),
    param: name => own(PARAMS, name),
  },
}

describe('the table of rule expressions', () => {
  it('has each rule only once', () => {
    expect(new Set(EXPRESSIONS.map(([shows]) => shows)).size).toBe(EXPRESSIONS.length)
  })

  describe.each(GROUPS)('$title (documentation: $page)', ({ rules }) => {
    it.each(rules)('%s', (_shows, rule, holds) => {
      expect(createRule(rule as RuleExpression)(FACTS)).toBe(holds)
      expect(createRule({ '%not': rule })(FACTS)).toBe(!holds)
    })
  })

  it.each(UNDECIDED)('is undecided, so neither it nor its opposite holds: %s', (_shows, rule) => {
    for (const around of [rule, { '%not': rule }, { '%nor': [rule] }, { '%not': { '%not': rule } }]) {
      expect(createRule(around as RuleExpression)(FACTS)).toBe(false)
    }
    for (const around of [{ '%%true': { '%and': [rule] } }, { '%%false': { '%and': [rule] } }]) {
      expect(createRule(around as RuleExpression)(FACTS)).toBe(false)
      expect(createRule({ '%not': around })(FACTS)).toBe(false)
    }
    // Another condition of the rule can still decide it.
    expect(createRule({ '%or': [rule, true] })(FACTS)).toBe(true)
    expect(createRule({ '%not': { '%and': [rule, false] } })(FACTS)).toBe(true)
    expect(createRule({ '%or': [rule, false] })(FACTS)).toBe(false)
    expect(createRule({ '%and': [rule, true] })(FACTS)).toBe(false)
  })
})
