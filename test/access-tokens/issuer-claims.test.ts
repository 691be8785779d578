import type { CustomUserData, TrustedIssuer } from 'express-custom-user-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useDatabase } from '../support/database.js'
import { startIssuer } from '../support/key-server.js'
import type { TestIssuer } from '../support/key-server.js'
import { AUDIENCE, createTestUserData } from '../support/user-data.js'

const database = useDatabase()
let idp: TestIssuer
beforeAll(async () => {
  idp = await startIssuer()
})
afterAll(async () => {
  await idp.server.close()
})

/** The ids of users, or the messages of refusals, of tokens with these claims. */
async function idsOf(option: Partial<TrustedIssuer>, ...claims: object[]): Promise<string[]> {
  const trusted = idp.option({ userIdPrefix: '', ...option })
  // An empty prefix belongs to an instance that issues no tokens.
  const none = { secret: undefined, issuer: undefined, audience: undefined, sessionSecrets: undefined }
  const userData: CustomUserData<object> = createTestUserData(database, {
    trustedIssuers: [trusted],
    ...none,
  } as never)
  const ids: string[] = []
  for (const one of claims) {
    const token = idp.token({ ...one })
    const id = await userData.verifyToken(token).then(
      user => user.id,
      (error: unknown) => (error as Error).message,
    )
    ids.push(id)
  }
  await userData.close()
  return ids
}

describe('audienceClaim', () => {
  /** An access token of Amazon Cognito: no `aud`, and the app client in `client_id`. */
  const cognito = { aud: undefined, client_id: 'app-client', token_use: 'access', sub: 'alice' }
  const option = { audience: 'app-client', audienceClaim: 'client_id', profile: 'jwt' } as const

  it('names the claim of the audience, for tokens without aud', async () => {
    expect(await idsOf(option, cognito)).toEqual(['alice'])
  })

  it('refuses tokens for another app client, and ID tokens, whose app client is in aud', async () => {
    const idToken = { ...cognito, aud: 'app-client', client_id: undefined, token_use: 'id' }
    expect(await idsOf(option, { ...cognito, client_id: 'another-client' }, idToken)).toEqual([
      'The access token is meant for another audience.',
      'The access token has no client_id.',
    ])
  })

  it('does not need aud, but refuses a token whose aud names others only', async () => {
    expect(await idsOf(option, { ...cognito, aud: ['others', 'app-client'] })).toEqual(['alice'])
    expect(await idsOf(option, { ...cognito, aud: 'others' })).toEqual([
      'The access token is meant for another audience.',
    ])
    const other = { ...cognito, aud: 'app-client', client_id: 'another-client' }
    expect(await idsOf(option, other)).toEqual(['The access token is meant for another audience.'])
  })

  it('may lead to a list, and takes no inherited member for a claim', async () => {
    const scopes = { ...cognito, allowed: ['first', 'app-client'] }
    expect(await idsOf({ ...option, audienceClaim: 'allowed' }, scopes, cognito)).toEqual([
      'alice',
      'The access token has no allowed.',
    ])
    expect(await idsOf({ ...option, audienceClaim: 'constructor' }, cognito)).toEqual([
      'The access token has no constructor.',
    ])
  })

  it('is aud without the option', async () => {
    expect(await idsOf({ profile: 'jwt' }, cognito, { ...cognito, aud: AUDIENCE })).toEqual([
      'The access token has no aud.',
      'alice',
    ])
  })
})

describe('userIdClaim', () => {
  const NAMES_NOBODY = 'The access token names no user.'

  it('as a list of names leads to a nested claim', async () => {
    const claims = { sub: 'device', user: { account: { id: 'alice' } } }
    expect(await idsOf({ userIdClaim: ['user', 'account', 'id'] }, claims)).toEqual(['alice'])
    expect(await idsOf({ userIdClaim: ['sub'] }, claims)).toEqual(['device'])
  })

  it('as a text is one name, also if it contains dots', async () => {
    const claims = { 'https://example.com/user.id': 'alice', user: { id: 'bob' }, 'user.id': 'carol' }
    expect(await idsOf({ userIdClaim: 'https://example.com/user.id' }, claims)).toEqual(['alice'])
    expect(await idsOf({ userIdClaim: 'user.id' }, claims)).toEqual(['carol'])
  })

  it.each<[string, object]>([
    ['is missing', {}],
    ['is null on the way', { user: null }],
    ['is a text on the way', { user: 'alice' }],
    ['is a list on the way', { user: [{ id: 'alice' }] }],
    ['is an object', { user: { id: { $ne: null } } }],
    ['is a number', { user: { id: 42 } }],
    ['is empty', { user: { id: '' } }],
    ['is too long', { user: { id: 'x'.repeat(256) } }],
    ['has a lone surrogate', { user: { id: '\ud800' } }],
    ['stands in the name of the path', { 'user.id': 'alice' }],
  ])('refuses a token whose nested claim %s', async (_name, claims) => {
    expect(await idsOf({ userIdClaim: ['user', 'id'] }, claims)).toEqual([NAMES_NOBODY])
  })

  it.each([[['user', 'constructor', 'name']], [['constructor', 'name']], [['user', 'id', 'length']]])(
    'takes no member of JavaScript for a claim: %j',
    async userIdClaim => {
      expect(await idsOf({ userIdClaim }, { user: { id: 'alice' } })).toEqual([NAMES_NOBODY])
    },
  )
})
