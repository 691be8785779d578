import vm from 'node:vm'
import { OptionError } from 'express-custom-user-data'
import { describe, expect, it } from 'vitest'
import { parseAuthenticateOptions } from '../../lib/options/guards.js'
import { parseOptions } from '../../lib/options/parse-options.js'
import { AUDIENCE, SECRET } from '../support/user-data.js'

const TRUSTED = { issuer: 'https://idp.example.com', audience: AUDIENCE, algorithms: ['RS256'] }

/** The reasons in the message, one a line. The collection is also missing. */
function linesOf(options: object): string[] {
  let message = ''
  try {
    parseOptions(options)
  } catch (error) {
    message = (error as Error).message
  }
  return message.split(/: (?=option|there)|; |\? (?=option|there)|[.?] See /)
}

describe('wrong members of options', () => {
  it.each([
    { keys: [{ kid: 'a', alg: 'HS256', key: SECRET, use: 'sig', ext: true }], named: ['use', 'ext'] },
    { trustedIssuers: [{ ...TRUSTED, alg: 'RS256' }], named: ['alg'] },
    { loginThrottle: { perMinute: 5 }, named: ['perMinute'] },
    { refreshTokenTransport: { cookie: { httpOnly: false } }, named: ['httpOnly'] },
    {
      hooks: JSON.parse('{ "__proto__": 1, "constructor": 2 }') as object,
      named: ['__proto__', 'constructor'],
    },
    { tokenPlaces: Object.create({ header: 'x' }) as object, named: ['header'] },
  ])('are named at any depth: $named', ({ named, ...options }) => {
    for (const name of named) expect(linesOf(options)).toContain(`there is no option "${name}"`)
  })

  it.each([
    { keys: ['PEM'], says: '"keys.0": write { kid, alg, key }' },
    { keys: [{ alg: 'RS256' }], says: '"keys.0.key": write PEM text, a JWK, a KeyObject or a secret' },
    { trustedIssuers: [TRUSTED.issuer], says: '"trustedIssuers.0": write { issuer, audience, algorithms' },
    { trustedIssuers: [{}], says: '"trustedIssuers.0.issuer": write a text that is not empty' },
    { trustedIssuers: [{}], says: '"trustedIssuers.0.audience": name your API' },
    { trustedIssuers: [{}], says: '"trustedIssuers.0.algorithms": write a list of algorithms' },
    {
      trustedIssuers: [{ ...TRUSTED, algorithms: ['HS256'] }],
      says: '"trustedIssuers.0.algorithms.0": write',
    },
    {
      trustedIssuers: [{ ...TRUSTED, jwksUri: 7 }],
      says: '"trustedIssuers.0.jwksUri": write an https address',
    },
    { trustedIssuers: [{ ...TRUSTED, issuer: 'idp', profile: 7 }], says: 'jwksUri": write the address of' },
    { trustedIssuers: [{ ...TRUSTED, userIdPrefix: 7 }], says: 'userIdPrefix": write a text, e.g. "idp|"' },
    { loginThrottle: { windowSeconds: '9' }, says: '"loginThrottle.windowSeconds": write a whole number' },
    { refreshTokenTransport: {}, says: '"refreshTokenTransport.cookie": write { name, sameSite' },
    {
      refreshTokenTransport: { cookie: { sameSite: true } },
      says: '.cookie.sameSite": write "strict", "lax"',
    },
    {
      userDataInToken: { format: 'ejson' },
      says: '"userDataInToken.format": write "relaxed" or "canonical"',
    },
  ])('are named by their path: $says', ({ says, ...options }) => {
    expect(linesOf(options).join('\n')).toContain(says)
  })

  it.each([
    { snapshotTtlMs: 1e300 },
    { snapshotTtlMs: -1e300 },
    { clientId: [] },
    { keys: '' },
    { loginThrottle: { windowSeconds: -1e300 } },
  ])('are named once each: %j', options => {
    const [name = ''] = Object.keys(options)
    expect(linesOf(options).filter(line => line.startsWith(`option "${name}`))).toHaveLength(1)
  })

  it('are named, and members of a polluted Object.prototype are not', () => {
    const everywhere = Object.prototype as { added?: number }
    everywhere.added = 1
    const lines = linesOf({ loadTimeoutMs: 0 })
    delete everywhere.added
    expect(lines).toContain('option "loadTimeoutMs": write a whole number from 1 to 2147483647 (given: 0)')
    expect(lines).not.toContain('there is no option "added"')
  })
})

describe('members of a polluted Object.prototype', () => {
  it('are not options', () => {
    const everywhere = Object.prototype as { optional?: boolean; maxAgeMs?: number }
    everywhere.optional = true
    try {
      expect(parseAuthenticateOptions({})).toEqual({ optional: false, maxAgeMs: undefined })
      expect(parseAuthenticateOptions(Object.create({ maxAgeMs: 5 }))).toMatchObject({
        optional: false,
        maxAgeMs: 5,
      })
      expect(parseAuthenticateOptions(vm.runInNewContext('({})'))).toMatchObject({ optional: false })
    } finally {
      delete everywhere.optional
    }
  })
})

describe('a value that is not an options object', () => {
  const values: Record<string, unknown> = {
    promise: Promise.resolve({}),
    thenable: { then: () => undefined },
    Map: new Map(),
    Set: new Set(),
    Date: new Date(),
    'regular expression': /a/,
    list: [],
    bytes: new Uint8Array(2),
    Float64Array: new Float64Array(2),
    function: () => ({}),
    text: new String('a'),
  }
  const places = [
    'hooks',
    'tokenPlaces',
    'loginThrottle',
    'projection',
    'refreshTokenTransport',
    'userDataInToken',
  ]

  it.each(Object.entries(values))('is refused wherever one is expected: %s', (kind, value) => {
    const advice = kind === 'promise' || kind === 'thenable' ? 'await it first' : '(given: '
    // The option tokenPlaces may be a function.
    for (const place of places.filter(name => name !== 'tokenPlaces' || kind !== 'function')) {
      const line = linesOf({ [place]: value }).find(said => said.startsWith(`option "${place}": write`))
      expect(line, place).toContain(advice)
    }
    const cookie = linesOf({ refreshTokenTransport: { cookie: value } }).join('\n')
    expect(cookie).toContain('option "refreshTokenTransport.cookie": write')
    expect(() => parseAuthenticateOptions(value)).toThrow(OptionError)
    expect(() => parseOptions(value)).toThrow(advice)
  })
})
