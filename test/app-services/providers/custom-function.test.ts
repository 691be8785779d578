import { Credentials } from 'realm-web'
import { expect, test } from 'vitest'
import { AppServicesError } from 'express-custom-user-data/app-services'
import type { AppServicesOptions, CustomFunctionResult } from 'express-custom-user-data/app-services'
import { useDatabase } from '../../support/database.js'
import { startRealmService } from '../support/realm-service.js'
import type { RealmServiceOptions } from '../support/realm-service.js'

const database = useDatabase()

function start(
  customFunction: AppServicesOptions['providers']['customFunction'],
  options: RealmServiceOptions = {},
) {
  return startRealmService(database, {
    ...options,
    service: { providers: { anonymous: true, customFunction } },
  })
}

test('the function gets the payload with its types and without the device, and describes the request', async () => {
  let seen: unknown[] = []
  const service = await start((...args) => {
    seen = args
    return 'ada'
  })
  const at = new Date(7)
  const payload = { name: 'ada', pin: 12, at, nested: { list: [1.5, null] } }
  const user = await service.newClient().logIn(Credentials.function(payload))
  expect(seen).toEqual([payload, { request: { remoteIPAddress: expect.any(String), httpUserAgent: 'node' } }])
  expect(user.identities).toEqual([{ id: 'ada', providerType: 'custom-function' }])
})

test('the same id is the same user, and another id another user', async () => {
  const service = await start(({ id }) => String(id))
  const logIn = (id: string) => service.newClient().logIn(Credentials.function({ id }))
  const [one, same, other] = [await logIn('a'), await logIn('a'), await logIn('A')]
  expect(same.id).toBe(one.id)
  expect(other.id).not.toBe(one.id)
})

test('further members become the metadata of the user, as of the last login', async () => {
  let city = 'Vienna'
  const service = await start(() => ({ id: 'meta', name: 'Ada', city }))
  const user = await service.newClient().logIn(Credentials.function({}))
  expect(user.profile).toMatchObject({ name: 'Ada', city: 'Vienna' })
  city = 'Graz'
  const again = await service.newClient().logIn(Credentials.function({}))
  expect(again.profile).toMatchObject({ city: 'Graz' })
})

test('an ObjectId as id becomes its hex digits', async () => {
  const { insertedId } = await database.db.collection('accounts').insertOne({})
  const service = await start(() => insertedId)
  const user = await service.newClient().logIn(Credentials.function({}))
  expect(user.identities[0]?.id).toBe(insertedId.toHexString())
})

test.each([null, undefined, false] as const)('the result %s means wrong credentials', async result => {
  const service = await start(() => result)
  await expect(service.newClient().logIn(Credentials.function({}))).rejects.toMatchObject({
    statusCode: 401,
    errorCode: 'InvalidPassword',
    error: 'unauthorized: the credentials are wrong',
  })
})

test.each<[string, unknown]>([
  ['an empty text', ''],
  ['a long text', 'x'.repeat(256)],
  ['a text that is not well formed', '\ud800'],
  ['a number', 5],
  ['true', true],
  ['an object without an id', { name: 'Ada' }],
  ['an id that is null', { id: null }],
  ['an id that is an object', { id: { $ne: 1 } }],
  ['a list', ['ada']],
])('the result %s is a fault of the server that is reported', async (_name, result) => {
  const service = await start(() => result as CustomFunctionResult)
  await expect(service.newClient().logIn(Credentials.function({}))).rejects.toMatchObject({ statusCode: 500 })
  expect(String(service.reports)).toContain('providers.customFunction returned no id')
})

test.each<[string, Error, string]>([
  ['a plain Error', new Error('the PIN is too old'), 'unauthorized: the PIN is too old'],
  ['an AppServicesError', new AppServicesError('AuthError', 'no'), 'unauthorized: no'],
  ['a code of a session', new AppServicesError('InvalidSession', 'no'), 'unauthorized: no'],
  ['the bare text', new Error('unauthorized'), 'unauthorized: the credentials are refused'],
  ['another status', new AppServicesError('AuthError', 'banned', { status: 403 }), 'unauthorized: banned'],
])('%s refuses the login with its text', async (_name, error, text) => {
  const service = await start(() => {
    throw error
  })
  await expect(service.newClient().logIn(Credentials.function({}))).rejects.toMatchObject({
    statusCode: text.endsWith('banned') ? 403 : 401,
    errorCode: 'AuthError',
    error: text,
  })
})

test('an unexpected error is a fault of the server, and its text stays here', async () => {
  const service = await start(() => {
    throw Object.assign(new Error('connect ECONNREFUSED secret-host'), { code: 'ECONNREFUSED' })
  })
  await expect(service.newClient().logIn(Credentials.function({}))).rejects.toMatchObject({
    statusCode: 500,
    error: 'internal server error',
  })
  expect(String(service.reports)).toContain('secret-host')
})

test('a client links an anonymous user, and keeps the id', async () => {
  const service = await start(({ id }) => String(id))
  const user = await service.newClient().logIn(Credentials.anonymous())
  const { id } = user
  await user.linkCredentials(Credentials.function({ id: 'linked' }))
  expect(user.identities.map(({ providerType }) => providerType)).toEqual(['anon-user', 'custom-function'])
  expect((await service.newClient().logIn(Credentials.function({ id: 'linked' }))).id).toBe(id)
})

test.each<[string, () => CustomFunctionResult]>([
  ['wrong credentials', () => null],
  ['the text that clients repeat', fail(new Error('unauthorized'))],
  ['a text with that word', fail(new Error('Unauthorized device'))],
  ['a code of a session', fail(new AppServicesError('InvalidSession', 'no'))],
])('a link that fails by %s does not loop', async (_name, customFunction) => {
  const service = await start(customFunction)
  const user = await service.newClient().logIn(Credentials.anonymous())
  const before = service.requests.length
  const error = await user.linkCredentials(Credentials.function({})).catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    statusCode: 401,
    errorCode: expect.stringMatching(/AuthError|InvalidPassword/),
  })
  expect(String(error).split('(status')[0]).not.toMatch(/unauthorized/i)
  expect(service.requests.length - before).toBe(1)
})

test('failed logins are limited for the account that the option names', async () => {
  const service = await start(
    {
      handler: ({ name, pin }) => (pin === 1234 ? String(name) : null),
      account: ({ name }) => name as string,
    },
    { instance: { loginThrottle: { accountAndAddressFailures: 2 } } },
  )
  const logIn = (name: unknown, pin: number) => service.newClient().logIn(Credentials.function({ name, pin }))
  await expect(logIn({ $ne: 1 }, 1)).rejects.toMatchObject({ errorCode: 'InvalidParameter' })
  await expect(logIn('ada', 1)).rejects.toMatchObject({ errorCode: 'InvalidPassword' })
  await expect(logIn('ada', 2)).rejects.toMatchObject({ errorCode: 'InvalidPassword' })
  await expect(logIn('ada', 1234)).rejects.toMatchObject({ statusCode: 429, errorCode: 'LimitExceeded' })
  expect((await logIn('grace', 1234)).isLoggedIn).toBe(true)
})

test('a payload with Extended JSON that is not valid is refused', async () => {
  const service = await start(() => 'ada')
  const response = await fetch(
    `${service.baseUrl}/api/client/v2.0/app/application-0-abcde/auth/providers/custom-function/login`,
    { method: 'POST', body: JSON.stringify({ id: { $oid: 'x' } }) },
  )
  expect([response.status, await response.json()]).toMatchObject([400, { error_code: 'BadBsonParse' }])
})

test.each<[string, unknown, string]>([
  ['a text', 'check', 'providers.customFunction'],
  ['no handler', {}, 'providers.customFunction.handler'],
  ['another member', { handler: () => 1, name: 1 }, 'providers.customFunction.name'],
])('a set-up with %s is refused', async (_name, option, place) => {
  await expect(start(option as never)).rejects.toThrow(`option "${place}"`)
})

function fail(error: Error): () => never {
  return () => {
    throw error
  }
}
