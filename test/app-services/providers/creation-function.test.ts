import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import type { AppServicesOptions, TriggerEvent, UserObject } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmService, RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()
const users = () => database.db.collection('custom_user_data_app_services_users')

const providers: AppServicesOptions['providers'] = { anonymous: true, customFunction: ({ id }) => String(id) }

function start(
  onUserCreation: AppServicesOptions['onUserCreation'],
  { service, ...others }: RealmServiceOptions = {},
): Promise<RealmService> {
  return startRealmService(database, { service: { providers, onUserCreation, ...service }, ...others })
}

test('the document that the creation function writes is in the first token', async () => {
  let seen: UserObject | undefined
  const service = await start(async user => {
    seen = user
    await service.userData.forUser(user.id).update({ $set: { role: 'guest' } }, { upsert: true })
  })
  const user = await service.newClient().logIn(Credentials.function({ id: 'first' }))
  expect(user.customData).toMatchObject({ role: 'guest' })
  expect(seen).toEqual({
    id: user.id,
    type: 'normal',
    data: {},
    custom_data: {},
    identities: [{ id: 'first', provider_type: 'custom-function', data: {} }],
  })
})

test('the creation function runs once for a user', async () => {
  let calls = 0
  const service = await start(() => ++calls)
  await service.newClient().logIn(Credentials.function({ id: 'once' }))
  await service.newClient().logIn(Credentials.function({ id: 'once' }))
  expect(calls).toBe(1)
})

test.each<[string, Error, string]>([
  ['a plain Error', new Error('only with an invitation'), 'only with an invitation'],
  ['an AppServicesError', new AppServicesError('BadRequest', 'not here'), 'not here'],
])('%s of the creation function refuses the login, and no user exists', async (_name, error, text) => {
  let isRefused = true
  const service = await start(() => {
    if (isRefused) throw error
  })
  await expect(service.newClient().logIn(Credentials.function({ id: text }))).rejects.toMatchObject({
    statusCode: 401,
    errorCode: 'AuthError',
    error: `unauthorized: the user was not created: ${text}`,
  })
  expect(await users().countDocuments({ 'identities.id': text })).toBe(0)
  expect(service.reports).toEqual([])
  isRefused = false
  const user = await service.newClient().logIn(Credentials.function({ id: text }))
  expect(user.isLoggedIn).toBe(true)
})

test('an unexpected error of the creation function is reported, and its text stays here', async () => {
  const service = await start(() => {
    throw new TypeError('secret-host')
  })
  await expect(service.newClient().logIn(Credentials.anonymous())).rejects.toMatchObject({
    error: 'unauthorized: the user was not created: the creation function failed',
  })
  expect(String(service.reports)).toContain('secret-host')
})

test('parallel first logins make one user and one CREATE', async () => {
  const created: TriggerEvent[] = []
  const ids = new Set<string>()
  const service = await start(({ id }) => ids.add(id), {
    service: { triggers: [{ operationType: 'CREATE', handler: event => created.push(event) }] },
  })
  const logins = await Promise.all(
    Array.from({ length: 5 }, () => service.newClient().logIn(Credentials.function({ id: 'parallel' }))),
  )
  expect(new Set(logins.map(({ id }) => id)).size).toBe(1)
  expect(ids.size).toBe(1)
  expect(await users().countDocuments({ 'identities.id': 'parallel' })).toBe(1)
  await service.appServices.close()
  expect(created).toHaveLength(1)
})

test('of parallel first logins none gets a token for a user whom the other has refused', async () => {
  const turns: (() => void)[] = []
  let calls = 0
  const service = await start(async () => {
    const call = ++calls
    await new Promise<void>(resolve => turns.push(resolve))
    if (call === 1) throw new Error('refused')
  })
  const logIn = () => service.newClient().logIn(Credentials.function({ id: 'contested' }))
  const first = logIn().catch((error: unknown) => error)
  await expect.poll(() => turns).toHaveLength(1)
  const second = logIn().catch((error: unknown) => error)
  await expect.poll(() => turns).toHaveLength(2)
  turns[0]?.()
  expect(await first).toMatchObject({ statusCode: 401 })
  turns[1]?.()
  expect(await second).toMatchObject({ statusCode: 401, errorCode: 'AuthError' })
  expect(await users().countDocuments({ 'identities.id': 'contested' })).toBe(0)
})

test('a login heals a user whose creation was interrupted', async () => {
  const service = await start(() => undefined)
  const user = await service.newClient().logIn(Credentials.function({ id: 'crashed' }))
  await users().updateOne({ 'identities.id': 'crashed' }, { $set: { createdAt: null } })
  const again = await service.newClient().logIn(Credentials.function({ id: 'crashed' }))
  expect(again.id).toBe(user.id)
  expect(await users().countDocuments({ 'identities.id': 'crashed', createdAt: { $ne: null } })).toBe(1)
})

test('a creation function that hangs ends in a 503, and the user gets CREATE when it ends after all', async () => {
  const created: TriggerEvent[] = []
  let release: (() => void) | undefined
  const service = await start(
    () =>
      new Promise<void>(resolve => {
        release = resolve
      }),
    {
      service: { triggers: [{ operationType: 'CREATE', handler: event => created.push(event) }] },
      instance: { verifyCredentialsTimeoutMs: 200 },
    },
  )
  const logIn = () => service.newClient().logIn(Credentials.function({ id: 'slow' }))
  await expect(logIn()).rejects.toMatchObject({ statusCode: 503, errorCode: 'MaintenanceInProgress' })
  expect(created).toHaveLength(0)
  release?.()
  await expect.poll(() => created).toHaveLength(1)
  expect((await logIn()).id).toBe(created[0]?.user.id)
})
