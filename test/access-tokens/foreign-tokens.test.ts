import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TokenVerifierOptions, VerifyForeignToken } from 'express-custom-user-data'
import { createManualClock } from '../support/clock.js'
import type { ManualClock } from '../support/clock.js'
import { useDatabase } from '../support/database.js'
import {
  claims,
  curve,
  es,
  hs,
  OTHER_SECRET,
  outcomeOf,
  part,
  rs,
  rsa,
  rsaPem,
  SECONDS,
  FOREIGN_AUDIENCE,
  FOREIGN_SECRET,
} from '../support/foreign-tokens.js'
import { createTestKey } from '../support/key-server.js'
import { createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let clock: ManualClock
let userData: ReturnType<typeof createTestUserData>
beforeEach(() => {
  clock = createManualClock(SECONDS * 1000)
  userData = createTestUserData(database, { clock })
})
afterEach(() => userData.close())

const verifierOf = (options: Partial<TokenVerifierOptions> = {}): VerifyForeignToken =>
  userData.tokenVerifier({
    keys: [{ alg: 'HS256', key: FOREIGN_SECRET }],
    audience: FOREIGN_AUDIENCE,
    ...options,
  })

describe('tokenVerifier() accepts a token', () => {
  it.each<[string, string, Partial<TokenVerifierOptions>]>([
    ['that is signed with the shared secret', hs(), {}],
    [
      'of HS384',
      hs(claims(), { alg: 'HS384' }, FOREIGN_SECRET.repeat(2), 384),
      { keys: [{ alg: 'HS384', key: FOREIGN_SECRET.repeat(2) }] },
    ],
    [
      'of HS512',
      hs(claims(), { alg: 'HS512' }, FOREIGN_SECRET.repeat(2), 512),
      { keys: [{ alg: 'HS512', key: FOREIGN_SECRET.repeat(2) }] },
    ],
    ['of RS256, with a public key as PEM text', rs(), { keys: [{ alg: 'RS256', key: rsaPem }] }],
    ['of RS256, with a public key as KeyObject', rs(), { keys: [{ alg: 'RS256', key: rsa.publicKey }] }],
    ['of ES256, with a public key as JWK', es(), { keys: [{ alg: 'ES256', key: curve.jwk }] }],
    ['with typ JWT', hs(claims(), { alg: 'HS256', typ: 'JWT' }), {}],
    ['with typ at+jwt', hs(claims(), { alg: 'HS256', typ: 'application/at+jwt' }), {}],
    [
      'whose aud is a list with one of the audiences',
      hs(claims({ aud: ['x', FOREIGN_AUDIENCE] })),
      { audience: ['y', FOREIGN_AUDIENCE] },
    ],
    ['of any issuer, if none is configured', hs(claims({ iss: 'anybody' })), {}],
    ['of the configured issuer', hs(claims({ iss: 'partner' })), { issuer: 'partner' }],
    ['that expired within the clock tolerance', hs(claims({ exp: SECONDS - 4 })), {}],
    ['whose nbf comes within the clock tolerance', hs(claims({ nbf: SECONDS + 4 })), {}],
    ['with claims of its own, of any type', hs(claims({ sid: 7, jti: null, client_id: ['a'] })), {}],
  ])('%s', async (_what, token, options) => {
    expect(await outcomeOf(verifierOf(options), token)).toMatchObject({ sub: 'alice' })
  })

  it('and gives all its claims, which are frozen at every depth', async () => {
    const given = claims({ iss: 'partner', profile: { names: ['Alice'] } })
    const verified = await verifierOf()(hs(given))
    expect(verified).toEqual(given)
    const { profile } = verified as unknown as { profile: { names: string[] } }
    for (const value of [verified, profile, profile.names]) expect(Object.isFrozen(value)).toBe(true)
  })

  it('also in an instance that issues no tokens of its own', async () => {
    const none = { secret: undefined, issuer: undefined, audience: undefined, sessionSecrets: undefined }
    const guest = createTestUserData(database, { clock, ...none } as never)
    const verify = guest.tokenVerifier({
      keys: [{ alg: 'HS256', key: FOREIGN_SECRET }],
      audience: FOREIGN_AUDIENCE,
    })
    expect(await outcomeOf(verify, hs())).toMatchObject({ sub: 'alice' })
    await guest.close()
  })
})

describe('tokenVerifier() refuses with 401 invalid_token', () => {
  const rsKeys = [{ alg: 'RS256', key: rsaPem }] as const
  it.each<[string, unknown, string, Partial<TokenVerifierOptions>?]>([
    ['no token', undefined, 'is not a text'],
    ['null', null, 'is not a text'],
    ['an object', { toString: () => hs() }, 'is not a text'],
    ['a list with a token', [hs()], 'is not a text'],
    ['an empty text', '', 'is malformed'],
    ['a text that is no JWT', 'alice', 'is malformed'],
    ['a token with a line break at the end', `${hs()}\n`, 'is malformed'],
    ['a token of five parts', 'a.b.c.d.e', 'is malformed'],
    ['a huge token', hs(claims({ text: 'x'.repeat(8 * 1024) })), 'is too long'],
    ['alg none, without a signature', `${part({ alg: 'none' })}.${part(claims())}.`, 'is malformed'],
    ['alg none, with a signature', hs(claims(), { alg: 'none' }), 'is not signed by a key of its service'],
    ['alg None in capitals', hs(claims(), { alg: 'NONE' }), 'is not signed by a key of its service'],
    [
      'a public key used as a secret',
      hs(claims(), { alg: 'HS256' }, rsaPem),
      'is not signed by a key of its service',
      { keys: rsKeys },
    ],
    [
      'a public key used as a secret under the name of its alg',
      hs(claims(), { alg: 'RS256' }, rsaPem),
      'is not valid',
      { keys: rsKeys },
    ],
    [
      'another algorithm of the same secret',
      hs(claims(), { alg: 'HS512' }, FOREIGN_SECRET, 512),
      'is not signed by a key of its service',
    ],
    ['another secret', hs(claims(), { alg: 'HS256' }, OTHER_SECRET), 'is not valid'],
    [
      'another key',
      es(claims(), {}, createTestKey()),
      'is not valid',
      { keys: [{ alg: 'ES256', key: curve.jwk }] },
    ],
    [
      'a key inside the header',
      hs(claims(), { alg: 'HS256', jwk: { kty: 'oct', k: part(OTHER_SECRET) } }, OTHER_SECRET),
      'is not valid',
    ],
    ['a critical extension', hs(claims(), { alg: 'HS256', crit: ['exp'], exp: 1 }), 'is malformed'],
    ['an unencoded payload', hs(claims(), { alg: 'HS256', b64: false }), 'is malformed'],
    [
      'the typ of a logout token',
      hs(claims(), { alg: 'HS256', typ: 'logout+jwt' }),
      'has another typ than JWT or at+jwt',
    ],
    [
      'an alg that a later duplicate replaces',
      hs(claims(), '{"alg":"HS256","alg":"none"}'),
      'is not signed by a key of its service',
    ],
    [
      'a sub that a later duplicate replaces',
      hs(`{"exp":${SECONDS + 60},"aud":"${FOREIGN_AUDIENCE}","sub":"alice","sub":7}`),
      'has a malformed sub',
    ],
    ['a payload that is no object', hs('["alice"]'), 'is malformed'],
    ['a deep payload', hs(`{"a":${'['.repeat(200)}${']'.repeat(200)}}`), 'is malformed'],
    ['an expired token', hs(claims({ exp: SECONDS - 5 })), 'has expired'],
    ['a token without exp', hs(claims({ exp: undefined })), 'has no exp'],
    ['an exp that is a text', hs(claims({ exp: String(SECONDS + 60) })), 'has a malformed exp'],
    ['a token that is not valid yet', hs(claims({ nbf: SECONDS + 6 })), 'is not valid yet'],
    ['an nbf that is a text', hs(claims({ nbf: '0' })), 'has a malformed nbf'],
    ['an iat that is null', hs(claims({ iat: null })), 'has a malformed iat'],
    ['no audience', hs(claims({ aud: undefined })), 'has no aud'],
    ['another audience', hs(claims({ aud: 'https://other.example.com' })), 'is meant for another audience'],
    [
      'a list of other audiences',
      hs(claims({ aud: ['a', [FOREIGN_AUDIENCE]] })),
      'is meant for another audience',
    ],
    ['no audience in an empty list', hs(claims({ aud: [] })), 'is meant for another audience'],
    [
      'a beginning of the audience',
      hs(claims({ aud: FOREIGN_AUDIENCE.slice(0, -1) })),
      'is meant for another audience',
    ],
    ['no sub', hs(claims({ sub: undefined })), 'has no sub'],
    ['an empty sub', hs(claims({ sub: '' })), 'has a malformed sub'],
    ['a sub that is an object', hs(claims({ sub: { $ne: null } })), 'has a malformed sub'],
    [
      'a sub with a lone surrogate',
      hs(`{"exp":${SECONDS + 60},"aud":"${FOREIGN_AUDIENCE}","sub":"\\ud800"}`),
      'has a malformed sub',
    ],
    [
      'a token that is bound to a key',
      hs(claims({ cnf: { jkt: 'x' } })),
      'is bound to a key that cannot be checked',
    ],
    ['another issuer', hs(claims({ iss: 'partner2' })), 'is from another issuer', { issuer: 'partner' }],
    ['no issuer, if one is configured', hs(), 'has no iss', { issuer: 'partner' }],
  ])('%s', async (_what, token, message, options) => {
    expect(await outcomeOf(verifierOf(options), token)).toBe(`401 invalid_token: The token ${message}.`)
  })

  it('a token that a change of one character has broken, wherever it is', async () => {
    const token = hs()
    const verify = verifierOf()
    const accepted: string[] = []
    for (let at = 0; at < token.length; at++) {
      const broken = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
      if (typeof (await outcomeOf(verify, broken)) !== 'string') accepted.push(broken)
    }
    expect(accepted).toEqual([])
  })

  it('an access token of the instance itself, because it is signed with another key', async () => {
    const { access_token } = await createTestUserData(database).issueTokens('alice')
    expect(await outcomeOf(verifierOf(), access_token)).toMatch(/^401 invalid_token: The token /)
  })

  it('and the guard of the instance accepts no token of the other service', async () => {
    const token = hs(claims({ iss: 'https://issuer.example.com', aud: 'https://api.example.com' }))
    await expect(userData.verifyToken(token)).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('without the token in the error', async () => {
    const token = hs(claims({ exp: 1 }))
    const error = await verifierOf()(token).catch((thrown: unknown) => thrown as Error)
    const shown = JSON.stringify([error, (error as Error).stack, String((error as Error).cause)])
    for (const piece of token.split('.')) expect(shown).not.toContain(piece)
  })

  it('a token that is longer than the option maxTokenLength of the instance', async () => {
    const strict = createTestUserData(database, { clock, maxTokenLength: 256 })
    const verify = strict.tokenVerifier({
      keys: [{ alg: 'HS256', key: FOREIGN_SECRET }],
      audience: FOREIGN_AUDIENCE,
    })
    expect(await outcomeOf(verify, hs())).toMatchObject({ sub: 'alice' })
    const long = hs(claims({ text: 'x'.repeat(200) }))
    expect(await outcomeOf(verify, long)).toBe('401 invalid_token: The token is too long.')
    await strict.close()
  })
})
