import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { createAppServices } from 'express-custom-user-data/app-services'
import type { TriggerEvent } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { logInMember, send } from '../support/members.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'
import type { RealmService } from '../support/realm-service.js'

const database = useDatabase()
const providers = { anonymous: true, apiKey: true }

async function start(): Promise<RealmService & { readonly deleted: TriggerEvent[] }> {
  const deleted: TriggerEvent[] = []
  const handler = (event: TriggerEvent) => deleted.push(event)
  const service = await startRealmService(database, {
    service: { providers, triggers: [{ operationType: 'DELETE', handler }] },
  })
  return { ...service, deleted }
}

const storedUsers = () => database.db.collection('custom_user_data_app_services_users')

test('a user can delete the own account, and the client forgets the user', async () => {
  const service = await start()
  const client = service.newClient()
  const user = await client.logIn(Credentials.anonymous())
  await client.deleteUser(user)
  expect(user.state).toBe('removed')
  expect(client.currentUser).toBe(null)
  expect(service.requests.slice(-2).map(({ name, status }) => [name, status()])).toEqual([
    ['DELETE /auth/delete', 204],
    ['DELETE /auth/session', 204],
  ])
  expect(await storedUsers().findOne({ _id: new BSON.ObjectId(user.id) })).toBe(null)
})

test('a deletion ends all sessions at once, and removes them', async () => {
  const service = await start()
  const client = service.newClient()
  const user = await logInMember(client, database.db)
  const { key } = await user.apiKeys.create('key')
  const other = await service.newClient().logIn(Credentials.apiKey(key))
  const tokens = { access: user.accessToken, refresh: user.refreshToken }
  await client.deleteUser(user)
  const api = `${service.baseUrl}/api/client/v2.0/auth`
  expect(await send('GET', `${api}/profile`, { token: tokens.access })).toMatchObject({ status: 401 })
  expect(await send('POST', `${api}/session`, { token: tokens.refresh })).toMatchObject({ status: 401 })
  await expect(other.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(other.isLoggedIn).toBe(false)
  expect((await service.userData.storedAbout(user.id)).sessions).toEqual([])
})

test('the API keys of a deleted user are removed', async () => {
  const service = await start()
  const client = service.newClient()
  const user = await logInMember(client, database.db)
  const { key } = await user.apiKeys.create('key')
  await client.deleteUser(user)
  await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  const keys = database.db.collection('custom_user_data_app_services_api_keys')
  expect(await keys.countDocuments({ userId: user.id })).toBe(0)
})

test('the custom data of a deleted user stays', async () => {
  const service = await start()
  const client = service.newClient()
  const user = await client.logIn(Credentials.anonymous())
  await service.userData.forUser(user.id).update({ $set: { theme: 'dark' } }, { upsert: true })
  await client.deleteUser(user)
  expect(await service.userData.forUser(user.id).read()).toMatchObject({ theme: 'dark' })
})

test('the trigger of a deletion gets all providers, and the custom data as of the deletion', async () => {
  const service = await start()
  const client = service.newClient()
  const user = await logInMember(client, database.db)
  await service.userData.forUser(user.id).update({ $set: { theme: 'dark' } }, { upsert: true })
  await client.deleteUser(user)
  await expect.poll(() => service.deleted).toHaveLength(1)
  expect(service.deleted[0]).toMatchObject({
    operationType: 'DELETE',
    providers: ['anon-user', 'local-userpass'],
    user: { id: user.id, type: 'normal', custom_data: { theme: 'dark' } },
  })
})

test('a document that cannot be read does not prevent a deletion', async () => {
  const service = await startRealmService(database, {
    service: { providers },
    instance: { maxDocumentBytes: 1_024 },
  })
  const user = await service.newClient().logIn(Credentials.anonymous())
  await database.db.collection('custom_user_data').insertOne({ userId: user.id, text: 'x'.repeat(5_000) })
  expect(await service.appServices.deleteUser(user.id)).toBe(true)
  expect(await service.appServices.findUser(user.id)).toBe(undefined)
})

test('the server deletes a user, and of two parallel calls one runs the trigger', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const [first, second] = await Promise.all([
    service.appServices.deleteUser(user.id),
    service.appServices.deleteUser(user.id),
  ])
  expect([first, second]).toContain(true)
  expect(await service.appServices.deleteUser(user.id)).toBe(false)
  await expect.poll(() => service.deleted).toHaveLength(1)
  await expect(user.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(user.isLoggedIn).toBe(false)
})

test('a user whose deletion was interrupted cannot log in or refresh, and a repeated deletion finishes it', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const { key } = await user.apiKeys.create('key')
  await storedUsers().updateOne({ _id: new BSON.ObjectId(user.id) }, { $set: { deletedAt: new Date() } })
  await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  expect(await service.appServices.findUser(user.id)).toBe(undefined)
  await expect(user.refreshAccessToken()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(await service.appServices.deleteUser(user.id)).toBe(true)
  expect(await storedUsers().findOne({ _id: new BSON.ObjectId(user.id) })).toBe(null)
})

test('an access token of a session that another process has ended deletes nobody', async () => {
  const first = await start()
  const second = await start()
  const client = first.newClient()
  const user = await logInMember(client, database.db)
  await second.userData.revoke(user.id)
  await expect(client.deleteUser(user)).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(await first.appServices.findUser(user.id)).toMatchObject({ id: user.id })
})

test('the server finds a user with the data of all identities and the custom data as of now', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db, 'alice@example.com')
  await service.userData.forUser(user.id).update({ $set: { theme: 'dark' } }, { upsert: true })
  expect(await service.appServices.findUser(user.id)).toMatchObject({
    id: user.id,
    type: 'normal',
    data: { email: 'alice@example.com' },
    custom_data: { theme: 'dark' },
    identities: [{ provider_type: 'anon-user' }, { provider_type: 'local-userpass' }],
  })
  expect(await service.appServices.findUser('f'.repeat(24))).toBe(undefined)
  expect(await service.appServices.findUser('alice')).toBe(undefined)
})

test.each(['findUser', 'deleteUser'] as const)('%s() takes a text alone', async name => {
  const { userData } = await startRealmService(database)
  const appServices = createAppServices({
    userData,
    database: database.db,
    appId: APP_ID,
    hostname: 'https://api.example.com',
    providers: {},
  })
  await expect(appServices[name]({ $ne: '' } as never)).rejects.toThrow(TypeError)
})
