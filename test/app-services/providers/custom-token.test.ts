import { generateKeyPairSync } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { Credentials } from 'realm-web'
import { describe, expect, test } from 'vitest'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { CustomTokenOptions } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { createTestUserData } from '../../support/user-data.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const SECRET = 'a secret of a partner, which has 32 bytes or more'
const HS256 = { keys: [{ alg: 'HS256', key: SECRET }] } as const

function start(customToken: CustomTokenOptions = HS256) {
  return startRealmService(database, { service: { providers: { anonymous: true, customToken } } })
}

function sign(claims: object, options: jwt.SignOptions = {}): string {
  return jwt.sign({ sub: 'partner-7', aud: APP_ID, ...claims }, SECRET, { expiresIn: '5m', ...options })
}

describe('a custom JWT', () => {
  test('logs the same subject in as the same user each time', async () => {
    const service = await start()
    const first = await service.newClient().logIn(Credentials.jwt(sign({ sub: 'same' })))
    const second = await service.newClient().logIn(Credentials.jwt(sign({ sub: 'same' })))
    const other = await service.newClient().logIn(Credentials.jwt(sign({ sub: 'other' })))
    expect(second.id).toBe(first.id)
    expect(other.id).not.toBe(first.id)
    expect(first.identities).toEqual([{ id: 'same', providerType: 'custom-token' }])
  })

  test.each(['RS256', 'ES256'] as const)('can be signed by a key pair with %s', async alg => {
    const { privateKey, publicKey } =
      alg === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const service = await start({ keys: [{ alg, key: publicKey }] })
    const token = jwt.sign({ sub: 'pair', aud: APP_ID }, privateKey, { algorithm: alg, expiresIn: '5m' })
    const user = await service.newClient().logIn(Credentials.jwt(token))
    expect(user.identities).toEqual([{ id: 'pair', providerType: 'custom-token' }])
  })

  test('gives the user metadata, which each login replaces', async () => {
    const metadataFields = [{ path: 'profile.email' }, { path: 'full\\.name', name: 'name' }]
    const service = await start({ ...HS256, metadataFields })
    const claims = { sub: 'metadata', profile: { email: 'old@example.com' }, 'full.name': 'Ann' }
    const first = await service.newClient().logIn(Credentials.jwt(sign(claims)))
    expect(first.profile).toMatchObject({ email: 'old@example.com', name: 'Ann' })
    const changed = { ...claims, profile: { email: 'new@example.com' } }
    const second = await service.newClient().logIn(Credentials.jwt(sign(changed)))
    expect(second.profile).toMatchObject({ email: 'new@example.com', name: 'Ann' })
  })

  test('is refused without a claim that is required', async () => {
    const service = await start({ ...HS256, metadataFields: [{ path: 'email', required: true }] })
    await expect(service.newClient().logIn(Credentials.jwt(sign({})))).rejects.toThrow(/unauthorized.*email/)
  })

  test.each<[string, string]>([
    [
      'has another signature',
      jwt.sign({ sub: 'x', aud: APP_ID }, 'another secret, which has 32 bytes or more'),
    ],
    ['has expired', sign({}, { expiresIn: -120 })],
    ['is meant for another app', sign({ aud: 'another-app' })],
    ['has no subject', jwt.sign({ aud: APP_ID }, SECRET, { expiresIn: '5m' })],
    ['never expires', jwt.sign({ sub: 'x', aud: APP_ID }, SECRET)],
    ['is no token', 'no token'],
  ])('is refused if it %s, by one request', async (_what, token) => {
    const service = await start()
    await expect(service.newClient().logIn(Credentials.jwt(token))).rejects.toThrow(/unauthorized/)
    expect(service.requests.filter(({ name }) => name.startsWith('POST'))).toHaveLength(1)
  })

  test('needs all audiences, or one of them with requireAnyAudience', async () => {
    const audience = ['one', 'two']
    const strict = await start({ ...HS256, audience })
    await expect(strict.newClient().logIn(Credentials.jwt(sign({ aud: 'one' })))).rejects.toThrow(
      /unauthorized/,
    )
    const both = await strict.newClient().logIn(Credentials.jwt(sign({ aud: ['two', 'one'] })))
    expect(both.isLoggedIn).toBe(true)
    const loose = await start({ ...HS256, audience, requireAnyAudience: true })
    expect((await loose.newClient().logIn(Credentials.jwt(sign({ aud: 'one' })))).isLoggedIn).toBe(true)
  })

  test('links to an anonymous user, and logs this user in from then on', async () => {
    const service = await start()
    const user = await service.newClient().logIn(Credentials.anonymous())
    const token = sign({ sub: 'linked' })
    await user.linkCredentials(Credentials.jwt(token))
    expect(user.identities.map(({ providerType }) => providerType)).toEqual(['anon-user', 'custom-token'])
    expect((await service.newClient().logIn(Credentials.jwt(token))).id).toBe(user.id)
  })

  test('that is wrong ends a link after one request', async () => {
    const service = await start()
    const user = await service.newClient().logIn(Credentials.anonymous())
    service.requests.length = 0
    const link = user.linkCredentials(Credentials.jwt(sign({ aud: 'another-app' })))
    await expect(link).rejects.toThrow(/the token/i)
    expect(service.requests).toHaveLength(1)
  })
})

test.each<[object, RegExp]>([
  [{ keys: [{ alg: 'HS256', key: 'short' }] }, /keys/],
  [{ keys: HS256.keys, metadataFields: [{ path: '$where' }] }, /metadataFields/],
  [{ keys: HS256.keys, metadataFields: [{ path: 'email', nmae: 'mail' }] }, /nmae/],
  [{ keys: HS256.keys, signingKey: 'x' }, /signingKey/],
])('the option providers.customToken is checked at creation: %j', (customToken, says) => {
  const userData = createTestUserData(database, { userDataInToken: 'canonical' })
  const options = {
    userData,
    database: database.db,
    appId: APP_ID,
    hostname: 'https://api.example.com',
    providers: { customToken: customToken as CustomTokenOptions },
  }
  expect(() => createAppServices(options)).toThrow(says)
})
