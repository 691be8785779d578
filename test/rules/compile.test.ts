import { Code, MaxKey } from 'mongodb'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from 'express-custom-user-data'
import { toFrozenCopy } from '../../lib/documents/frozen-copy.js'
import { createRule } from '../../lib/rules/compile.js'
import type { RuleExpression } from '../../lib/rules/compile.js'
import type { RuleFacts } from '../../lib/rules/expansions.js'
import { CUSTOM_DATA, EXPRESSIONS } from './expression-table.js'

const KNOWN_RULES = EXPRESSIONS.map(([, rule]) => rule as RuleExpression)

function factsOf(customData: unknown, claims: unknown = {}): RuleFacts {
  const request = {
    method: 'GET',
    ip: undefined,
    rawQueryString: '',
    header: () => undefined,
    param: () => 'a',
  }
  return { userId: 'alice', customData, userData: claims, request }
}

function deep(levels: number): RuleExpression {
  return levels === 0 ? true : { '%not': deep(levels - 1) }
}

const itself: Record<string, unknown> = {}
itself['%not'] = itself

describe('a mistake in a rule', () => {
  it.each<[what: string, rule: unknown, says: string]>([
    ['nothing', undefined, 'write true, false, an object'],
    ['null', null, 'write true, false, an object'],
    ['a text', 'admin', 'write true, false, an object'],
    ['a list', [], 'write true, false, an object'],
    ['a map, which has no members', new Map(), 'write true, false, an object'],
    ['an instance of a class', new MaxKey(), 'write true, false, an object'],
    ['a field of a document', { role: 'admin' }, 'write "%%user.custom_data.role" for'],
    [
      'the owner of a document',
      { owner_id: '%%user.id' },
      'write { "%%user.id": "%%request.params.NAME" } if the address names the owner, use ownData()',
    ],
    ['__proto__', JSON.parse('{ "__proto__": { "%%user.id": "a" } }'), 'a guard has no document'],
    ['an unknown expansion', { '%%usr.id': 'a' }, 'there is no expansion "%%usr.id" here: write %%user.id'],
    ['an unknown expansion as a value', { '%%user.id': '%%usr.id' }, 'there is no expansion "%%usr.id"'],
    ['an expansion that needs more', { '%%user': 'a' }, 'there is no expansion "%%user"'],
    [
      'an expansion that takes no more',
      { '%%user.id.length': 5 },
      'there is no expansion "%%user.id.length"',
    ],
    ['a header without a name', { '%%request.requestHeaders': 'a' }, 'write %%user.id'],
    ['an empty name', { '%%user.custom_data.': 'a' }, 'has an empty name between two dots'],
    [
      'identities',
      { '%%user.identities.0.id': 'a' },
      'a user has no list of identities; write %%user.data.iss',
    ],
    ['cookies', { '%%request.requestHeaders.Cookie': 'a=1' }, 'write a function instead of the rule'],
    ['%%root', { '%%root.owner': '%%user.id' }, 'a guard has no document; write'],
    ['%%values', { '%%user.id': { $in: '%%values.admins' } }, 'write the value itself'],
    ['%%environment', { '%%environment.tag': 'production' }, 'write the value itself'],
    ['the body', { '%%request.body.id': 'a' }, 'or a function instead of the rule'],
    [
      'an unknown operator',
      { '%%user.id': { $regex: 'a' } },
      'there is no operator "$regex": write one of $eq',
    ],
    ['a function', { '%%true': { '%function': { name: 'f' } } }, 'or a function instead of the rule'],
    ['an operator without a name', { '%%user.id': { $: 'a' } }, 'there is no operator "$"'],
    ['__proto__ as an operator', { '%%user.id': { $__proto__: 'a' } }, 'there is no operator "$__proto__"'],
    ['an operator in the place of a rule', { $eq: 1 }, 'there is no operator "$eq" here: write %and'],
    ['an operator and a value together', { '%%user.id': { $eq: 'a', b: 1 } }, 'either operators or a value'],
    ['an operator in a value', { '%%user.custom_data.a': { b: { $gt: 1 } } }, 'either operators nor'],
    ['an expansion in a value', { '%%user.custom_data.a': { '%%user.id': 1 } }, 'operators nor expansions'],
    ['an empty condition', { '%%user.custom_data.a': {} }, '{} is no condition'],
    ['$exists of a text', { '%%user.id': { $exists: 'yes' } }, 'write true or false'],
    ['$in of a text', { '%%user.id': { $in: 'alice' } }, 'write a list'],
    ['$nin of an object', { '%%user.id': { $nin: { a: 1 } } }, 'write a list'],
    ['%and of an object', { '%and': { '%%user.id': 'a' } }, 'write a list of one or more'],
    ['%or of nothing', { '%or': [] }, 'write a list of one or more'],
    ['%or of a text', { '%or': ['a'] }, 'write true, false, an object'],
    ['undefined', { '%%user.custom_data.a': undefined }, 'write a value of JSON or BSON'],
    ['a function as a value', { '%%user.custom_data.a': () => true }, 'write a value of JSON or BSON'],
    ['a type without equality', { '%%user.custom_data.a': new Code('x') }, 'write a value of JSON or BSON'],
    ['a bad $oid', { '%%user.custom_data.a': { $oid: '5f' } }, 'not a valid value of Extended JSON'],
    [
      'a bad $binary',
      { '%%user.custom_data.a': { $binary: { base64: 'a', subType: '0' } } },
      'not a valid value',
    ],
    ['a $binary without a subtype', { '%%user.custom_data.a': { $binary: 'YWJj' } }, 'not a valid value'],
    ['a bad $timestamp', { '%%user.custom_data.a': { $timestamp: { t: -1, i: 0 } } }, 'not a valid value'],
    [
      'a bad $regularExpression',
      { '%%user.custom_data.a': { $regularExpression: 'a' } },
      'not a valid value',
    ],
    ['a bad $minKey', { '%%user.custom_data.a': { $minKey: 2 } }, 'not a valid value'],
    ['%oidToString of a text', { '%%user.id': { '%oidToString': 'a' } }, 'cannot be converted'],
    ['a bad $date', { '%%user.custom_data.a': { $date: null } }, 'not a valid value of Extended JSON'],
    [
      'a bad $numberInt',
      { '%%user.custom_data.a': { $numberInt: 'one' } },
      'not a valid value of Extended JSON',
    ],
    [
      'a bad $numberDouble',
      { '%%user.custom_data.a': { $numberDouble: '' } },
      'not a valid value of Extended JSON',
    ],
    ['a number without end', { '%%user.custom_data.a': { $numberDecimal: '1E999999999' } }, 'Extended JSON'],
    ['a bad %stringToOid', { '%%user.custom_data.a': { '%stringToOid': 'x' } }, 'cannot be converted'],
    ['a bad %stringToUuid', { '%%user.custom_data.a': { '%stringToUuid': 'x' } }, 'cannot be converted'],
    ['a rule without end', itself, 'nested more than 50 levels deep'],
    ['a deep rule', deep(60), 'nested more than 50 levels deep'],
  ])('is found when the guard is created: %s', (_what, rule, says) => {
    const compile = () => createRule(rule as RuleExpression)
    expect(compile).toThrow(OptionError)
    expect(compile).toThrow(says)
  })

  it('is reported with its place in the rule', () => {
    const rule = { '%or': [true, { '%%user.custom_data.age': { $gt: 1, $regex: 'a' } }] }
    expect(() => createRule(rule)).toThrow(
      'allow(): the rule at "%or" → "1" → "%%user.custom_data.age" → "$regex": there is no operator "$regex"',
    )
  })
})

describe('a rule', () => {
  it('stays as it was when it was compiled', () => {
    const until = new Date(1000)
    const roles = ['admin']
    const expression: Record<string, unknown> = {
      '%%user.custom_data.role': { $in: roles },
      '%%user.custom_data.since': { $lt: until },
    }
    const rule = createRule(expression)
    until.setTime(0)
    roles.push('member')
    expression['%%user.id'] = 'bob'
    const since = new Date(500)
    expect(rule(factsOf({ role: 'admin', since }))).toBe(true)
    expect(rule(factsOf({ role: 'member', since }))).toBe(false)
  })

  it('finds each field of a document, even with an odd name', () => {
    const customData = toFrozenCopy(
      JSON.parse('{ "__proto__": { "role": "admin" }, "constructor": 1 }') as object,
    )
    expect(createRule({ '%%user.custom_data.__proto__.role': 'admin' })(factsOf(customData))).toBe(true)
    expect(createRule({ '%%user.custom_data.constructor': 1 })(factsOf(customData))).toBe(true)
    expect(createRule({ '%%user.custom_data.role': 'admin' })(factsOf(customData))).toBe(false)
  })

  it('does not treat a document with a field _bsontype as a BSON value', () => {
    const customData = toFrozenCopy({
      a: { _bsontype: 'Int32', valueOf: 1 },
      b: { _bsontype: 'ObjectId', id: 'x' },
    })
    expect(createRule({ '%%user.custom_data.a': 1 })(factsOf(customData))).toBe(false)
    expect(
      createRule({ '%%user.custom_data.b': { $oid: '5f6aae9a82989d521a606369' } })(factsOf(customData)),
    ).toBe(false)
  })

  it('tells halves of surrogate pairs apart', () => {
    const facts = factsOf({ half: '\ud800' })
    expect(createRule({ '%%user.custom_data.half': '\ud801' })(facts)).toBe(false)
    expect(createRule({ '%%user.custom_data.half': '\ud800' })(facts)).toBe(true)
  })
})

/** Anything that a document or a token can hold, and some things that neither can. */
const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withTypedArray: true,
  key: fc.oneof(
    fc.string(),
    fc.constantFrom(
      'role',
      'age',
      'teams',
      'address',
      'city',
      '__proto__',
      'constructor',
      '_bsontype',
      'toString',
    ),
  ),
})
const posing = fc.record({ _bsontype: fc.constantFrom('ObjectId', 'Decimal128', 'Long', 'Binary', 'Int32') })
const documents = fc.oneof(
  anything,
  posing.map(value => ({ role: Object.create(value) as unknown, age: value })),
  fc.record({ role: anything, age: anything, teams: anything, owner: anything, address: anything }),
)

const plainValues = fc.oneof(
  fc.string().filter(text => !text.startsWith('%%')),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom('%%user.id', '%%user.custom_data.role', '%%user.custom_data.gone', '%%request.params.a'),
)
const fields = fc.constantFrom(
  '%%user.id',
  '%%user.custom_data.role',
  '%%user.custom_data.a.b',
  '%%user.data.x',
)
const { condition } = fc.letrec(tie => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    plainValues,
    fc
      .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), plainValues)
      .map(pair => Object.fromEntries([pair])),
    fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(plainValues)).map(pair => Object.fromEntries([pair])),
    fc.record({ $exists: fc.boolean() }),
    fc.record({ '%not': tie('condition') }),
    fc.record({ '%or': fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
  ),
}))
const { rule: rules } = fc.letrec<{ rule: RuleExpression; list: RuleExpression[] }>(tie => ({
  rule: fc.oneof(
    { maxDepth: 4 },
    fc.boolean(),
    fc.constantFrom(...KNOWN_RULES),
    fc.tuple(fields, condition).map(pair => Object.fromEntries([pair]) as RuleExpression),
    fc
      .tuple(fc.constantFrom('%and', '%or', '%nor'), tie('list'))
      .map(pair => Object.fromEntries([pair]) as RuleExpression),
    fc.record({ '%not': tie('rule') }),
  ),
  list: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }),
}))

describe('for any rule, user and data,', () => {
  const holds = (rule: RuleExpression, facts: RuleFacts) => createRule(rule)(facts)
  const check = (property: (rule: RuleExpression, other: RuleExpression, facts: RuleFacts) => void) => {
    const facts = fc.oneof(
      fc.tuple(documents, anything).map(([data, claims]) => factsOf(data, claims)),
      fc.constant(factsOf(CUSTOM_DATA)),
    )
    fc.assert(fc.property(rules, rules, facts, property), { numRuns: 2_000 })
  }

  it('a rule answers true or false and throws nothing', () => {
    check((rule, _other, facts) => {
      expect(typeof holds(rule, facts)).toBe('boolean')
    })
  })

  it('not of not is the rule itself', () => {
    check((rule, _other, facts) => {
      expect(holds({ '%not': { '%not': rule } }, facts)).toBe(holds(rule, facts))
    })
  })

  it('%nor means neither, %and means each and %or means some, in any order', () => {
    check((one, other, facts) => {
      const [first, second] = [holds(one, facts), holds(other, facts)]
      expect(holds({ '%and': [one, other] }, facts)).toBe(first && second)
      expect(holds({ '%or': [other, one] }, facts)).toBe(first || second)
      const isNeither = holds({ '%not': one }, facts) && holds({ '%not': other }, facts)
      expect(holds({ '%nor': [one, other] }, facts)).toBe(isNeither)
    })
  })

  it('%false before a rule is its opposite, and %true the rule', () => {
    check((rule, _other, facts) => {
      expect(holds({ '%%true': { '%and': [rule] } }, facts)).toBe(holds(rule, facts))
      expect(holds({ '%%false': { '%and': [rule] } }, facts)).toBe(holds({ '%not': rule }, facts))
    })
  })

  it('a rule and its opposite never both hold, and a double %not is the rule', () => {
    check((rule, _other, facts) => {
      expect(holds(rule, facts) && holds({ '%not': rule }, facts)).toBe(false)
      expect(holds({ '%not': { '%not': rule } }, facts)).toBe(holds(rule, facts))
    })
  })
})

describe('for any values', () => {
  const scalars = fc.oneof(fc.double(), fc.bigInt(), fc.string(), fc.boolean(), fc.date(), fc.constant(null))
  const ask = (operator: string, left: unknown, right: unknown) =>
    createRule({ '%%user.custom_data.a': { [operator]: right } })(factsOf({ a: left }))

  it('$ne is the opposite of $eq, and $nin of $in', () => {
    fc.assert(
      fc.property(
        scalars,
        scalars.filter(value => !String(value).startsWith('%%')),
        (left, right) => {
          expect(ask('$ne', left, right)).toBe(!ask('$eq', left, right))
          expect(ask('$nin', left, [right])).toBe(!ask('$in', left, [right]))
          expect(ask('$in', left, [right])).toBe(ask('$eq', left, right))
        },
      ),
    )
  })

  it('of two numbers exactly one of less, equal and greater is true', () => {
    const numbers = fc.oneof(fc.double({ noNaN: true }), fc.bigInt(), fc.integer())
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const truths = ['$lt', '$eq', '$gt'].map(operator => ask(operator, left, right))
        expect(truths).toEqual([left < right, left == right, left > right])
        expect(ask('$lte', left, right)).toBe(left <= right)
        expect(ask('$gte', left, right)).toBe(left >= right)
      }),
      { numRuns: 1_000 },
    )
  })
})
