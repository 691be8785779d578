import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import { expect, test } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import { createManualClock } from '../../support/clock.js'
import { useDatabase } from '../../support/database.js'
import { PASSWORD, startLinkService } from '../support/linkable-provider.js'
import type { RealmService } from '../support/realm-service.js'

const database = useDatabase()
const users = () => database.db.collection('custom_user_data_app_services_users')
const DAY_MS = 86_400_000

let count = 0
/** A name that no other test uses. */
const newName = () => `name${count++}`
const credentials = (name: string, password = PASSWORD) => Credentials.function({ name, password })

function logInAnonymously(service: RealmService): Promise<User> {
  return service.newClient().logIn(Credentials.anonymous())
}

/** The names of the requests that a call makes. */
async function requestsOf(service: RealmService, call: () => Promise<unknown>): Promise<string[]> {
  const before = service.requests.length
  await call()
  return service.requests.slice(before).map(({ name }) => name)
}

const LINK = 'POST /auth/providers/custom-function/login'
const PROFILE = 'GET /auth/profile'
const REFRESH = 'POST /auth/session'

test('a linked user keeps the id, the session and the refresh token, and has both identities', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  const { id, refreshToken } = user
  const sessions = await service.userData.sessions(id)
  const name = newName()
  expect(await requestsOf(service, () => user.linkCredentials(credentials(name)))).toEqual([LINK, PROFILE])
  expect([user.id, user.refreshToken]).toEqual([id, refreshToken])
  expect(user.identities.map(({ providerType }) => providerType)).toEqual(['anon-user', 'custom-function'])
  expect((await service.userData.sessions(id)).map(({ sid }) => sid)).toEqual(sessions.map(({ sid }) => sid))
  await user.refreshAccessToken()
  const again = await service.newClient().logIn(credentials(name))
  expect(again.id).toBe(id)
})

test('an identity of another user is refused with one request, and neither user changes', async () => {
  const service = await startLinkService(database)
  const name = newName()
  const owner = await service.newClient().logIn(credentials(name))
  const user = await logInAnonymously(service)
  const requests = await requestsOf(service, () =>
    expect(user.linkCredentials(credentials(name))).rejects.toMatchObject({
      statusCode: 409,
      errorCode: 'AccountNameInUse',
    }),
  )
  expect(requests).toEqual([LINK])
  await user.refreshProfile()
  expect(user.identities).toHaveLength(1)
  expect((await service.newClient().logIn(credentials(name))).id).toBe(owner.id)
})

test('linking the same identity again changes nothing', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  const name = newName()
  await user.linkCredentials(credentials(name))
  await user.linkCredentials(credentials(name))
  expect(user.identities).toHaveLength(2)
})

test('of parallel links of one identity by one user one stores it, and all succeed', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  const name = newName()
  await Promise.all([1, 2, 3, 4, 5].map(() => user.linkCredentials(credentials(name))))
  await user.refreshProfile()
  expect(user.identities).toHaveLength(2)
})

test('of two users who link one identity at the same time one gets it', async () => {
  const service = await startLinkService(database)
  const name = newName()
  const both = await Promise.all([logInAnonymously(service), logInAnonymously(service)])
  const results = await Promise.allSettled(both.map(user => user.linkCredentials(credentials(name))))
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await users().countDocuments({ 'identities.id': name })).toBe(1)
})

test('wrong credentials are refused with one request, and the client stays logged in', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  const requests = await requestsOf(service, () =>
    expect(user.linkCredentials(credentials(newName(), 'wrong'))).rejects.toMatchObject({
      error: 'the credentials are wrong',
      errorCode: 'InvalidPassword',
    }),
  )
  expect(requests).toEqual([LINK])
  await user.refreshProfile()
})

test.each([
  ['unauthorized', new AppServicesError('AuthError', 'unauthorized'), 'the credentials are wrong'],
  ['a text for logins', new AppServicesError('AuthError', 'unauthorized: too young'), 'too young'],
  ['InvalidSession', new AppServicesError('InvalidSession', 'go away'), 'go away'],
  ['an unexpected error', new TypeError('host 10.0.0.1'), 'internal server error'],
])('a provider that throws %s while linking is asked once', async (_name, thrown, text) => {
  const service = await startLinkService(database, {}, () => Promise.reject(thrown))
  const user = await logInAnonymously(service)
  const requests = await requestsOf(service, () =>
    expect(user.linkCredentials(credentials(newName()))).rejects.toMatchObject({ error: text }),
  )
  expect(requests).toEqual([LINK])
})

test('too many failed links are refused with one request', async () => {
  const service = await startLinkService(database, { instance: { loginThrottle: { addressFailures: 2 } } })
  const user = await logInAnonymously(service)
  const link = (password: string) => user.linkCredentials(credentials(newName(), password))
  await expect(link('wrong')).rejects.toMatchObject({ errorCode: 'InvalidPassword' })
  await expect(link('wrong')).rejects.toMatchObject({ errorCode: 'InvalidPassword' })
  const requests = await requestsOf(service, () =>
    expect(link(PASSWORD)).rejects.toMatchObject({ statusCode: 429, errorCode: 'LimitExceeded' }),
  )
  expect(requests).toEqual([LINK])
})

test('an expired access token is refreshed once while linking', async () => {
  const clock = createManualClock(Date.now())
  const service = await startLinkService(database, { instance: { clock } })
  const user = await logInAnonymously(service)
  clock.advance(3_600_000)
  const requests = await requestsOf(service, () => user.linkCredentials(credentials(newName())))
  expect(requests).toEqual([LINK, REFRESH, LINK, PROFILE])
})

test('an access token of a session that another process has ended links nothing', async () => {
  const service = await startLinkService(database)
  const other = await startLinkService(database)
  const user = await logInAnonymously(service)
  const name = newName()
  await other.userData.revoke(user.id)
  const requests = await requestsOf(service, () =>
    expect(user.linkCredentials(credentials(name))).rejects.toMatchObject({ errorCode: 'InvalidSession' }),
  )
  expect(requests).toEqual([LINK, REFRESH])
  expect(await users().countDocuments({ 'identities.id': name })).toBe(0)
})

test('an anonymous user does not end after a link, not even if a refresh at the same time notes its use', async () => {
  const clock = createManualClock(Date.now())
  const service = await startLinkService(database, {
    instance: { clock },
  })
  const user = await logInAnonymously(service)
  clock.advance(2 * DAY_MS)
  await Promise.all([user.refreshAccessToken(), user.linkCredentials(credentials(newName()))])
  expect(await users().findOne({ _id: new BSON.ObjectId(user.id) })).not.toHaveProperty('expiresAt')
  for (let round = 0; round < 2; round++) {
    clock.advance(80 * DAY_MS)
    await user.refreshAccessToken()
  }
  await user.refreshProfile()
})

test('a user has 20 identities at most', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  for (let index = 1; index < 20; index++) await user.linkCredentials(credentials(newName()))
  const requests = await requestsOf(service, () =>
    expect(user.linkCredentials(credentials(newName()))).rejects.toMatchObject({
      statusCode: 400,
      errorCode: 'LimitExceeded',
    }),
  )
  expect(requests).toEqual([LINK])
  await user.refreshProfile()
  expect(user.identities).toHaveLength(20)
})

test('a login of an identity while it is linked leaves it with one user', async () => {
  const service = await startLinkService(database)
  const user = await logInAnonymously(service)
  const name = newName()
  await Promise.allSettled([
    user.linkCredentials(credentials(name)),
    service.newClient().logIn(credentials(name)),
  ])
  expect(await users().countDocuments({ 'identities.id': name })).toBe(1)
  await user.refreshProfile()
})

test('an identity of a user who is being deleted is neither linked nor logged in', async () => {
  const service = await startLinkService(database)
  const name = newName()
  const owner = await service.newClient().logIn(credentials(name))
  await users().updateOne({ _id: new BSON.ObjectId(owner.id) }, { $set: { deletedAt: new Date() } })
  await expect(service.newClient().logIn(credentials(name))).rejects.toThrow('unauthorized')
  const user = await logInAnonymously(service)
  await expect(user.linkCredentials(credentials(name))).rejects.toMatchObject({
    errorCode: 'AccountNameInUse',
  })
  await service.appServices.deleteUser(owner.id)
  const again = await service.newClient().logIn(credentials(name))
  expect(again.id).not.toBe(owner.id)
})

test('an anonymous or key identity cannot be linked', async () => {
  const service = await startLinkService(database, {
    service: { providers: { anonymous: true, apiKey: true } },
  })
  const user = await service.newClient().logIn(credentials(newName()))
  const { key } = await user.apiKeys.create('key')
  for (const given of [Credentials.anonymous(), Credentials.apiKey(key)])
    await expect(user.linkCredentials(given)).rejects.toMatchObject({ errorCode: 'BadRequest' })
})

test('a session that began with an API key links nothing, which would outlive a stolen key', async () => {
  const service = await startLinkService(database, {
    service: { providers: { anonymous: true, apiKey: true } },
  })
  const owner = await service.newClient().logIn(credentials(newName()))
  const { key } = await owner.apiKeys.create('key')
  const user = await service.newClient().logIn(Credentials.apiKey(key))
  await expect(user.linkCredentials(credentials(newName()))).rejects.toMatchObject({ statusCode: 403 })
})
