import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { startRealmService } from '../support/realm-service.js'

const database = useDatabase()

test('realm-web logs an anonymous user in, and reads the profile', async () => {
  const service = await startRealmService(database)
  const user = await service.newClient().logIn(Credentials.anonymous())
  expect(user.id).toMatch(/^[0-9a-f]{24}$/)
  expect(user.isLoggedIn).toBe(true)
  expect(user.identities).toEqual([{ id: expect.any(String), providerType: 'anon-user' }])
  expect(user.customData).toEqual({})
  expect(service.requests.map(({ name }) => name)).toEqual([
    'GET /location',
    'POST /auth/providers/anon-user/login',
    'GET /auth/profile',
  ])
})

test('custom data is stale after a write, and fresh after refreshCustomData()', async () => {
  const service = await startRealmService(database)
  const user = await service.newClient().logIn(Credentials.anonymous())
  await service.userData.forUser(user.id).update({ $set: { theme: 'dark' } }, { upsert: true })
  expect(user.customData).toEqual({})
  expect(await user.refreshCustomData()).toMatchObject({ theme: 'dark' })
  expect(user.customData).toMatchObject({ theme: 'dark' })
})

test('a refresh keeps the refresh token, because the client ignores a new one', async () => {
  const service = await startRealmService(database)
  const user = await service.newClient().logIn(Credentials.anonymous())
  const { refreshToken } = user
  await user.refreshAccessToken()
  await user.refreshAccessToken()
  expect(user.refreshToken).toBe(refreshToken)
  expect(user.isLoggedIn).toBe(true)
})

test('a logout ends the session', async () => {
  const service = await startRealmService(database)
  const user = await service.newClient().logIn(Credentials.anonymous())
  const refreshToken = user.refreshToken ?? ''
  await user.logOut()
  expect(await service.userData.sessionOf(refreshToken)).toBeUndefined()
  expect(user.isLoggedIn).toBe(false)
})

test('a device gets an id, which the client shows and sends at its next login', async () => {
  const service = await startRealmService(database)
  const client = service.newClient()
  const first = await client.logIn(Credentials.anonymous(false))
  expect(first.deviceId).toMatch(/^[0-9a-f]{24}$/)
  await first.refreshAccessToken()
  const second = await client.logIn(Credentials.anonymous(false))
  expect(second.deviceId).toBe(first.deviceId)
})
