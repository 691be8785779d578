import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
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
  SECONDS,
  FOREIGN_AUDIENCE,
  FOREIGN_SECRET,
} from '../support/foreign-tokens.js'
import { answerJson, createTestKey, startKeyServer } from '../support/key-server.js'
import type { KeyServer } from '../support/key-server.js'
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

describe('the key that is compared with a token', () => {
  const named = [
    { kid: 'a', alg: 'HS256', key: FOREIGN_SECRET },
    { kid: 'b', alg: 'HS256', key: OTHER_SECRET },
  ] as const
  const withKid = (kid: string | undefined, secret: string): string =>
    hs(claims(), { alg: 'HS256', kid }, secret)
  const REFUSED = /^401 invalid_token/

  it('is each key of its algorithm, if the token has no kid', async () => {
    for (const keys of [named, named.map(({ alg, key }) => ({ alg, key }))]) {
      const verify = verifierOf({ keys })
      expect(await outcomeOf(verify, withKid(undefined, FOREIGN_SECRET))).toMatchObject({ sub: 'alice' })
      expect(await outcomeOf(verify, withKid(undefined, OTHER_SECRET))).toMatchObject({ sub: 'alice' })
      expect(await outcomeOf(verify, withKid(undefined, 'a third secret'))).toMatch(REFUSED)
    }
  })

  it('is the key of its kid alone, if the token has a kid and a key has this name', async () => {
    const verify = verifierOf({ keys: named })
    expect(await outcomeOf(verify, withKid('b', OTHER_SECRET))).toMatchObject({ sub: 'alice' })
    expect(await outcomeOf(verify, withKid('b', FOREIGN_SECRET))).toMatch(REFUSED)
    expect(await outcomeOf(verify, withKid('c', FOREIGN_SECRET))).toMatch(REFUSED)
    expect(await outcomeOf(verify, withKid('', FOREIGN_SECRET))).toMatch(REFUSED)
  })

  it('is each key without a name, if no key has the kid of the token', async () => {
    const verify = verifierOf({ keys: [{ alg: 'HS256', key: FOREIGN_SECRET }, named[1]] })
    expect(await outcomeOf(verify, withKid('unknown', FOREIGN_SECRET))).toMatchObject({ sub: 'alice' })
    expect(await outcomeOf(verify, withKid('unknown', OTHER_SECRET))).toMatch(REFUSED)
  })
})

describe('keys that the other service publishes', () => {
  let server: KeyServer
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    server = await startKeyServer(curve.jwk)
  })
  afterEach(async () => {
    await server.close()
    vi.useRealTimers()
  })

  const published = (changes: Partial<TokenVerifierOptions> = {}): VerifyForeignToken =>
    verifierOf({ keys: undefined, jwksUri: server.jwksUri, algorithms: ['ES256'], ...changes })

  it('verify a token, with and without a kid, and are fetched once', async () => {
    const verify = published()
    expect(await outcomeOf(verify, es(claims(), { kid: 'curve' }))).toMatchObject({ sub: 'alice' })
    expect(await outcomeOf(verify, es())).toMatchObject({ sub: 'alice' })
    // An app may create the verifier in each request.
    expect(await outcomeOf(published(), es())).toMatchObject({ sub: 'alice' })
    expect(server.hits).toEqual(['/jwks.json'])
  })

  it('are found by OpenID discovery at the issuer', async () => {
    server.answerBy((req, res) => {
      const answer =
        req.url === '/jwks.json' ? { keys: [curve.jwk] } : { issuer: server.origin, jwks_uri: server.jwksUri }
      answerJson(answer)(req, res)
    })
    const verify = published({ jwksUri: undefined, issuer: server.origin })
    expect(await outcomeOf(verify, es(claims({ iss: server.origin })))).toMatchObject({ sub: 'alice' })
    expect(await outcomeOf(verify, es(claims({ iss: 'other' })))).toMatch(/^401 .* is from another issuer\.$/)
    expect(server.hits).toEqual(['/.well-known/openid-configuration', '/jwks.json'])
  })

  it.each([
    [
      'an unknown kid',
      es(claims(), { kid: 'unknown' }),
      'is signed by a key that its issuer does not publish',
    ],
    ['the kid of another key', es(claims(), { kid: 'curve' }, createTestKey()), 'is not valid'],
    ['a secret in place of a key pair', hs(), 'is signed by a key that its issuer does not publish'],
    ['another audience', es(claims({ aud: 'x' })), 'is meant for another audience'],
  ])('refuse a token with %s', async (_what, token, message) => {
    expect(await outcomeOf(published(), token)).toBe(`401 invalid_token: The token ${message}.`)
  })

  it('that cannot be fetched are 503 keys_unavailable, an event without a query, and a count', async () => {
    const failed: unknown[] = []
    userData.events.on('key_set_failed', ({ issuer }) => failed.push(issuer))
    server.answerBy((_req, res) => res.writeHead(500).end())
    const verify = published({ jwksUri: `${server.jwksUri}?key=hush` })
    expect(await outcomeOf(verify, es())).toBe(
      '503 keys_unavailable: The keys of the issuer could not be fetched.',
    )
    expect(failed).toEqual([server.jwksUri])
    expect(userData.stats().failedRequests).toEqual({ keys_unavailable: 1 })
  })

  it('are not fetched in the background after close()', async () => {
    await published()(es())
    await userData.close()
    vi.advanceTimersByTime(60 * 60 * 1000)
    clock.advance(60 * 60 * 1000)
    expect(vi.getTimerCount()).toBe(0)
    expect(server.hits).toHaveLength(1)
  })
})
