import { compileRule, OptionError } from 'express-custom-user-data'
import type { RuleFacts } from 'express-custom-user-data'
import { describe, expect, it } from 'vitest'

const alice = { userId: 'alice', customData: { teams: ['sales'] } }

describe('a rule that an app compiles', () => {
  it('holds or does not hold for the facts of a user', () => {
    const isInSales = compileRule({ '%%user.custom_data.teams': 'sales' })
    expect(isInSales(alice)).toBe(true)
    expect(isInSales({ userId: 'bob', customData: {} })).toBe(false)
    expect(isInSales({ userId: 'bob' })).toBe(false)
  })

  it('reads %%user.type and %%user.data from the facts', () => {
    const isServer = compileRule({ '%%user.type': 'server', '%%user.data.name': 'import' })
    expect(isServer({ ...alice, userType: 'server', userData: { name: 'import' } })).toBe(true)
    expect(isServer({ ...alice, userData: { name: 'import' } })).toBe(false)
    expect(compileRule({ '%%user.type': 'normal' })(alice)).toBe(true)
  })

  it('finds nothing under %%request if the facts have no request', () => {
    for (const name of ['httpMethod', 'rawQueryString', 'requestHeaders.x', 'params.id', 'remoteIPAddress']) {
      expect(compileRule({ [`%%request.${name}`]: { $exists: true } })(alice)).toBe(false)
    }
  })

  it('reads the facts of a request', () => {
    const request = {
      method: 'GET',
      rawQueryString: '',
      header: () => undefined,
      param: (name: string) => (name === 'team' ? 'sales' : undefined),
    }
    const isOfTeam = compileRule({ '%%user.custom_data.teams': '%%request.params.team' })
    expect(isOfTeam({ ...alice, request: { ...request, ip: undefined } })).toBe(true)
  })

  it('refuses a mistake in the rule when it is compiled', () => {
    expect(() => compileRule({ '%%user.custom_dat.role': 'admin' })).toThrow(OptionError)
  })

  it.each([
    ['a user instead of facts', { id: 'alice', customData: {} }, /"userId".*there is no option "id"/s],
    ['an id that is no text', { userId: 7 }, /option "userId": write a text \(given: 7\)/],
    ['no facts', undefined, /userId/],
    ['a text', 'alice', /give \{ userId, customData \}/],
    ['a request of Express', { userId: 'a', request: {} }, /option "request/],
  ])('refuses %s, and says what to write', (_what, facts, says) => {
    const rule = compileRule(true)
    expect(() => rule(facts as unknown as RuleFacts)).toThrow(says)
  })
})
