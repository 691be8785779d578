import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import type { User } from 'realm-web'
import { expect, test } from 'vitest'
import { useDatabase } from '../../../support/database.js'
import { logInMember, send } from '../../support/members.js'
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

test('a created key is shown once, and lists have its id, name and state alone', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const created = await user.apiKeys.create('my_Key-1')
  expect(created).toEqual({
    _id: expect.stringMatching(/^[0-9a-f]{24}$/),
    key: expect.stringMatching(/^[0-9a-f]{64}$/),
    name: 'my_Key-1',
    disabled: false,
  })
  const listed = { _id: created._id, name: 'my_Key-1', disabled: false }
  expect(await user.apiKeys.fetchAll()).toEqual([listed])
  expect(await user.apiKeys.fetch(created._id)).toEqual(listed)
})

test('the text of a key is stored nowhere', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const { key } = await createKey(user)
  const stored = await database.db.collection(KEYS).find({ userId: user.id }).toArray()
  expect(stored).toHaveLength(1)
  expect(JSON.stringify(stored)).not.toContain(key)
})

test('a login by a key has the user id of the owner and the type "server"', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { key } = await createKey(owner)
  const user = await service.newClient().logIn(Credentials.apiKey(key))
  expect(user.id).toBe(owner.id)
  expect(user.identities.map(({ providerType }) => providerType)).toContain('local-userpass')
  const profile = await send('GET', `${service.baseUrl}/api/client/v2.0/auth/profile`, {
    token: user.accessToken,
  })
  expect(profile.body).toMatchObject({ type: 'server' })
  await user.refreshAccessToken()
  expect(user.isLoggedIn).toBe(true)
})

test.each([
  ['a key that nobody has', 'f'.repeat(64)],
  ['a text of another form', 'no key'],
])('a login by %s is refused as unauthorized', async (_name, key) => {
  const service = await start()
  await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toMatchObject({
    statusCode: 401,
    error: 'unauthorized: invalid API key',
    errorCode: 'InvalidPassword',
  })
})

test.each([
  [{}, 'MissingParameter'],
  [{ key: { $gt: '' } }, 'InvalidParameter'],
])('a login with the body %j is refused with %s', async (body, code) => {
  const service = await start()
  const url = `${service.baseUrl}/api/client/v2.0/app/application-0-abcde/auth/providers/api-key/login`
  expect(await send('POST', url, { body })).toMatchObject({ status: 400, body: { error_code: code } })
})

test('failed logins by keys are counted for the address', async () => {
  const service = await start({ instance: { loginThrottle: { addressFailures: 3 } } })
  const client = service.newClient()
  const codes: unknown[] = []
  for (let attempt = 0; attempt < 5; attempt++) {
    const error: unknown = await client.logIn(Credentials.apiKey('0'.repeat(64))).catch((e: unknown) => e)
    codes.push((error as { errorCode: unknown }).errorCode)
  }
  expect(codes).toEqual([
    'InvalidPassword',
    'InvalidPassword',
    'InvalidPassword',
    'LimitExceeded',
    'LimitExceeded',
  ])
})

test.each(['', 'a b', 'ü', 'x'.repeat(101), 'a.b'])('the name %j of a key is refused', async name => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  await expect(user.apiKeys.create(name)).rejects.toMatchObject({
    statusCode: 400,
    errorCode: 'InvalidParameter',
  })
})

test('a key needs a name', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const answer = await send('POST', `${service.baseUrl}/api/client/v2.0/auth/api_keys`, {
    token: user.refreshToken,
    body: {},
  })
  expect(answer).toMatchObject({ status: 400, body: { error_code: 'MissingParameter' } })
})

test('a name belongs to one key of a user, and another user may have the same name', async () => {
  const service = await start()
  const alice = await logInMember(service.newClient(), database.db)
  const bob = await logInMember(service.newClient(), database.db)
  await createKey(alice, 'same')
  await expect(alice.apiKeys.create('same')).rejects.toMatchObject({
    statusCode: 409,
    errorCode: 'APIKeyAlreadyExists',
  })
  await expect(createKey(bob, 'same')).resolves.toBeDefined()
})

test('of 30 parallel calls 20 create a key', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const names = Array.from({ length: 30 }, (_, index) => `key${index}`)
  const results = await Promise.allSettled(names.map(name => user.apiKeys.create(name)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
  const refused = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []))
  for (const error of refused) expect(error).toMatchObject({ errorCode: 'LimitExceeded', statusCode: 400 })
  expect(await user.apiKeys.fetchAll()).toHaveLength(20)
})

test('of parallel calls with one name one creates a key', async () => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(() => user.apiKeys.create('same')))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await user.apiKeys.fetchAll()).toHaveLength(1)
})

test('a unique name is kept also if the client of the team does not wait for its writes', async () => {
  const careless = database.client.db(database.db.databaseName, {
    writeConcern: { w: 0 },
    readPreference: 'secondaryPreferred',
  })
  const service = await start({ service: { providers, database: careless } })
  const user = await logInMember(service.newClient(), database.db)
  const results = await Promise.allSettled([1, 2, 3].map(() => user.apiKeys.create('same')))
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
})

test('an anonymous user cannot have a key', async () => {
  const service = await start()
  const user = await service.newClient().logIn(Credentials.anonymous())
  await expect(user.apiKeys.create('key')).rejects.toMatchObject({
    statusCode: 403,
    errorCode: 'NoMatchingRuleFound',
  })
  expect(user.isLoggedIn).toBe(true)
})

test.each(['fetch', 'enable', 'disable', 'delete'] as const)(
  'an unknown key, and a key of another user, is not found by %s()',
  async operation => {
    const service = await start()
    const alice = await logInMember(service.newClient(), database.db)
    const bob = await logInMember(service.newClient(), database.db)
    const { _id, key } = await createKey(bob)
    for (const id of [_id, 'f'.repeat(24), 'other', '%']) {
      await expect(alice.apiKeys[operation](encodeURIComponent(id))).rejects.toMatchObject({
        statusCode: 404,
        errorCode: 'APIKeyNotFound',
      })
    }
    await expect(service.newClient().logIn(Credentials.apiKey(key))).resolves.toBeDefined()
  },
)

test('a disabled key is refused, and works again when it is enabled', async () => {
  const service = await start()
  const owner = await logInMember(service.newClient(), database.db)
  const { _id, key } = await createKey(owner)
  await owner.apiKeys.disable(_id)
  expect(await owner.apiKeys.fetch(_id)).toMatchObject({ disabled: true })
  await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  await owner.apiKeys.enable(_id)
  await expect(service.newClient().logIn(Credentials.apiKey(key))).resolves.toMatchObject({ id: owner.id })
})

test('without the option users have no API keys, and cannot log in by them', async () => {
  const on = await start()
  const owner = await logInMember(on.newClient(), database.db)
  const { key } = await createKey(owner)
  const off = await startRealmService(database)
  await expect(off.newClient().logIn(Credentials.apiKey(key))).rejects.toMatchObject({
    errorCode: 'AuthProviderNotFound',
  })
  const user = await off.newClient().logIn(Credentials.anonymous())
  const { apiKeys } = user
  const calls = [
    apiKeys.create('key'),
    apiKeys.fetchAll(),
    apiKeys.fetch('f'.repeat(24)),
    apiKeys.enable('f'.repeat(24)),
    apiKeys.disable('f'.repeat(24)),
    apiKeys.delete('f'.repeat(24)),
  ]
  for (const call of calls)
    await expect(call).rejects.toMatchObject({ statusCode: 404, errorCode: 'AuthProviderNotFound' })
})

test.each([
  ['has expired', { $set: { expiresAt: new Date(0) } }],
  ['is being deleted', { $set: { deletedAt: new Date(0) } }],
])('a user who %s reaches no API keys by a refresh token, and is logged out', async (_what, change) => {
  const service = await start()
  const user = await logInMember(service.newClient(), database.db)
  const { _id, key } = await createKey(user)
  const users = database.db.collection('custom_user_data_app_services_users')
  await users.updateOne({ _id: new BSON.ObjectId(user.id) }, change)
  const url = `${service.baseUrl}/api/client/v2.0/auth/api_keys`
  const { refreshToken: token } = user
  for (const [method, path] of [
    ['GET', ''],
    ['GET', `/${_id}`],
    ['PUT', `/${_id}/enable`],
    ['PUT', `/${_id}/disable`],
    ['DELETE', `/${_id}`],
  ] as const)
    expect(await send(method, url + path, { token }), `${method} ${path}`).toMatchObject({
      status: 401,
      body: { error_code: 'InvalidSession' },
    })
  await expect(service.newClient().logIn(Credentials.apiKey(key))).rejects.toThrow('unauthorized')
  await expect(user.apiKeys.fetchAll()).rejects.toMatchObject({ errorCode: 'InvalidSession' })
  expect(user.isLoggedIn).toBe(false)
})
