import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../../support/database.js'
import { logInMember } from '../../support/members.js'
import { startRealmService } from '../../support/realm-service.js'
import type { RealmService } from '../../support/realm-service.js'

const database = useDatabase()
const providers = { anonymous: true, apiKey: true }
const KEYS = 'custom_user_data_app_services_api_keys'

function start(options: Parameters<typeof startRealmService>[1] = {}): Promise<RealmService> {
  return startRealmService(database, { service: { providers }, ...options })
}

function createKey(user: User, name = 'key'): Promise<{ _id: string; key: string }> {
  return user.apiKeys.create(name)
}

test.each(['disable', 'delete'] as const)(
  '%s() ends the sessions of the key at once, and no others',
  async operation => {
    const service = await start()
    const owner = await logInMember(service.newClient(), database.db)
    const { _id, key } = await createKey(owner)
    const other = await createKey(owner, 'other')
    const user = await service.newClient().logIn(Credentials.apiKey(key))
    const stays = await service.newClient().logIn(Credentials.apiKey(other.key))
    await owner.apiKeys[operation](_id)
    await expect(user.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
    expect(user.isLoggedIn).toBe(false)
    await stays.refreshProfile()
    await stays.refreshAccessToken()
    await owner.refreshProfile()
    await owner.refreshAccessToken()
  },
)

test('another process refuses to refresh the sessions of a disabled key', async () => {
  const first = await start()
  const second = await start()
  const owner = await logInMember(first.newClient(), database.db)
  const { _id, key } = await createKey(owner)
  const user = await second.newClient().logIn(Credentials.apiKey(key))
  await owner.apiKeys.disable(_id)
  await expect(user.refreshAccessToken()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
})

test('logins by a key that is disabled at the same time leave no session alive', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { _id, key } = await createKey(owner)
  const logins = Array.from({ length: 8 }, () => service.newClient().logIn(Credentials.apiKey(key)))
  const [results] = await Promise.all([Promise.allSettled(logins), owner.apiKeys.disable(_id)])
  for (const result of results) {
    if (result.status === 'fulfilled')
      await expect(result.value.refreshAccessToken()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  }
  const sessions = await service.userData.sessions(owner.id)
  expect(sessions).toHaveLength(1)
})

test('the key of the session that asks cannot be deleted', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { _id, key } = await createKey(owner)
  const user = await service.newClient().logIn(Credentials.apiKey(key))
  await expect(user.apiKeys.delete(_id)).rejects.toMatchObject({ statusCode: 403 })
  await user.refreshProfile()
})

test('a session that began with a key cannot create or enable keys, which would outlive a stolen key', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { _id, key } = await createKey(owner)
  const user = await service.newClient().logIn(Credentials.apiKey(key))
  await expect(user.apiKeys.create('more')).rejects.toMatchObject({ statusCode: 403 })
  await expect(user.apiKeys.enable(_id)).rejects.toMatchObject({ statusCode: 403 })
  expect(await user.apiKeys.fetchAll()).toHaveLength(1)
})

test('a logout of a session by a key is forgotten by the key', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { key } = await createKey(owner)
  const user = await service.newClient().logIn(Credentials.apiKey(key))
  const sessionsOf = async () =>
    (await database.db.collection(KEYS).findOne({ userId: owner.id }))?.['sessions'] as unknown
  expect(await sessionsOf()).toHaveLength(1)
  await user.logOut()
  expect(await sessionsOf()).toEqual([])
})

test('when a key has 500 sessions, a further login ends the oldest one', async () => {
  const service = await start({ instance: { maxSessionsPerUser: false } })
  const owner = await logInMember(service.newClient(), database.db)
  const { key } = await createKey(owner)
  const oldest = await service.newClient().logIn(Credentials.apiKey(key))
  const others = Array.from({ length: 499 }, (_, index) => String(index).padStart(22, '0'))
  await database.db
    .collection<{ sessions: string[] }>(KEYS)
    .updateOne({ userId: owner.id }, { $push: { sessions: { $each: others } } })
  const newest = await service.newClient().logIn(Credentials.apiKey(key))
  await newest.refreshAccessToken()
  await expect(oldest.refreshProfile()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
})
