import { BSON } from 'mongodb'
import { Credentials } from 'realm-web'
import { expect, test, vi } from 'vitest'
import { useDatabase } from '../../support/database.js'
import { logIn, newEmail, startEmailService } from '../support/email-service.js'
import { send } from '../support/members.js'
import { sendOperation, startCollection } from '../support/own-collection.js'
import { APP_ID, startRealmService } from '../support/realm-service.js'

const database = useDatabase()
const PASSWORD = 'a long password'

test('credentials that a function of the team puts into an unexpected error reach no event', async () => {
  const { newClient, reports, userData } = await startRealmService(database, {
    service: {
      providers: {
        customFunction: ({ card, nested }) => {
          throw new TypeError(`cannot read ${String(card)} and ${JSON.stringify(nested)}`)
        },
      },
    },
  })
  const stacks: string[] = []
  userData.events.on('request_failed', ({ stack }) => stacks.push(stack))
  const payload = { card: '4242 4242', nested: { answer: 'my first dog' } }
  await expect(newClient().logIn(Credentials.function(payload))).rejects.toThrow('internal server error')
  expect(reports).toEqual(['cannot read [removed] and {"answer":"[removed]"}'])
  expect(stacks).toHaveLength(1)
  for (const secret of ['4242', 'first dog']) expect(stacks.join()).not.toContain(secret)
})

test('no password, token or key reaches an event or the console in a run with failures', async () => {
  const printed = [
    vi.spyOn(console, 'log'),
    vi.spyOn(console, 'warn'),
    vi.spyOn(console, 'error'),
    vi.spyOn(process, 'emitWarning'),
    vi.spyOn(process.stderr, 'write'),
  ]
  const mails: { readonly token: string }[] = []
  const keep = (mail: { readonly token: string }) => {
    mails.push(mail)
    throw new Error(`cannot send ${JSON.stringify(mail)}`)
  }
  const { newClient, userData, post, baseUrl } = await startEmailService(database, 'by mail', {
    service: {
      providers: {
        apiKey: true,
        emailPassword: { sendConfirmation: keep, sendPasswordReset: keep },
      },
      triggers: [
        { operationType: 'LOGIN', handler: event => Promise.reject(new Error(JSON.stringify(event))) },
      ],
      functions: {
        fail: () => {
          throw new RangeError('out of range')
        },
      },
    },
    instance: { loginThrottle: { accountAndAddressFailures: 3 } },
  })
  const seen: unknown[] = []
  const emit = userData.events.emit.bind(userData.events)
  vi.spyOn(userData.events, 'emit').mockImplementation((...args: Parameters<typeof emit>) => {
    seen.push(args)
    return emit(...args)
  })
  const email = newEmail()
  await post('register', { email, password: PASSWORD })
  await expect.poll(() => mails).toHaveLength(1)
  await post('confirm', { ...mails[0] })
  const user = await logIn(newClient(), email, PASSWORD)
  const { key } = await user.apiKeys.create('laptop')
  const byKey = await newClient().logIn(Credentials.apiKey(key))
  await expect(user.callFunction('fail')).rejects.toThrow('failed')
  const wrong = [
    'the wrong password 1',
    'the wrong password 2',
    'the wrong password 3',
    'the wrong password 4',
  ]
  for (const password of wrong) await post('login', { username: email, password })
  await post('reset/send', { email })
  await expect.poll(() => mails).toHaveLength(2)
  const token = `${user.accessToken ?? ''}x`
  await send('GET', `${baseUrl}/api/client/v2.0/auth/profile`, { token })
  await byKey.logOut()
  const secrets = [PASSWORD, ...wrong, key, ...mails.map(mail => mail.token), token, user.refreshToken]
  const names = JSON.stringify(seen)
  for (const event of ['login', 'login_refused', 'request_failed', 'throttled'])
    expect(names).toContain(event)
  const text = names + JSON.stringify(printed.map(({ mock }) => mock.calls.map(call => call.map(String))))
  for (const secret of secrets) expect(text).not.toContain(secret)
  vi.restoreAllMocks()
})

test('a rotating refresh token of the app’s own login survives these routes, and its tokens open none', async () => {
  const { baseUrl, userData } = await startRealmService(database, {
    service: { providers: { apiKey: true } },
    instance: { rotateRefreshTokens: true },
  })
  const own = await userData.authenticateLogin({
    credentials: {},
    verifyCredentials: () => ({ id: 'somebody of the app' }),
  })
  const api = `${baseUrl}/api/client/v2.0`
  for (const [method, path] of [
    ['POST', 'session'],
    ['POST', 'session'],
    ['POST', 'api_keys'],
    ['GET', 'api_keys'],
  ] as const) {
    const options = { token: own.refresh_token, ...(method === 'POST' && { body: { name: 'a' } }) }
    expect(await send(method, `${api}/auth/${path}`, options)).toMatchObject({
      status: 401,
      body: { error_code: 'InvalidSession' },
    })
  }
  expect((await send('DELETE', `${api}/auth/session`, { token: own.refresh_token })).status).toBe(204)
  for (const [method, path] of [
    ['GET', 'auth/profile'],
    ['DELETE', 'auth/delete'],
    ['POST', `app/${APP_ID}/functions/call`],
    ['GET', `app/${APP_ID}/functions/call?baas_request=e30=`],
  ] as const) {
    const options = { token: own.access_token, ...(method === 'POST' && { body: { name: 'a' } }) }
    expect(await send(method, `${api}/${path}`, options)).toMatchObject({
      status: 401,
      body: { error_code: 'AuthError' },
    })
  }
  const next = await userData.exchangeRefreshToken(own.refresh_token)
  expect(next.refresh_token).not.toBe(own.refresh_token)
  await userData.exchangeRefreshToken(next.refresh_token)
})

test('a refresh token is no access token, an access token no refresh token, and another app has no routes', async () => {
  const { baseUrl, newClient } = await startRealmService(database)
  const user = await newClient().logIn(Credentials.anonymous())
  const api = `${baseUrl}/api/client/v2.0`
  const [access, refresh] = [user.accessToken ?? '', user.refreshToken ?? '']
  expect((await send('GET', `${api}/auth/profile`, { token: refresh })).status).toBe(401)
  expect((await send('POST', `${api}/auth/session`, { token: access })).status).toBe(401)
  for (const appId of ['application-1-abcde', '__proto__', 'constructor', `${APP_ID}%00`, `..%2f${APP_ID}`])
    expect(
      (await send('POST', `${api}/app/${appId}/auth/providers/anon-user/login`, { body: {} })).status,
    ).toBe(404)
})

test('an address counts behind a trusted proxy alone, and a forged header changes neither it nor the location', async () => {
  const statusesOf = async (isTrusted: boolean) => {
    await database.db.collection('custom_user_data_login_attempts').deleteMany({})
    const { baseUrl } = await startEmailService(database, 'by mail', {
      before: app => void app.set('trust proxy', isTrusted),
      instance: { loginThrottle: { addressFailures: 4 } },
    })
    const statuses: number[] = []
    for (let index = 0; index < 8; index++) {
      const answer = await fetch(
        `${baseUrl}/api/client/v2.0/app/${APP_ID}/auth/providers/local-userpass/login`,
        {
          method: 'POST',
          headers: { 'x-forwarded-for': `192.0.2.${index}`, 'content-type': 'application/json' },
          body: JSON.stringify({ username: newEmail(), password: 'wrong password' }),
        },
      )
      statuses.push(answer.status)
    }
    const location = await fetch(`${baseUrl}/api/client/v2.0/app/${APP_ID}/location`, {
      headers: {
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'https',
        forwarded: 'host=evil.example',
      },
    })
    expect(await location.json()).toMatchObject({ hostname: baseUrl })
    expect(location.headers.get('cache-control')).toBe('no-store')
    return statuses
  }
  expect(await statusesOf(false)).toEqual([401, 401, 401, 401, 429, 429, 429, 429])
  expect(await statusesOf(true)).toEqual(Array.from({ length: 8 }, () => 401))
})

test('the access token of a user who was deleted elsewhere stores no document', async () => {
  const { service, logIn: enter, stored } = await startCollection(database)
  const { user, id } = await enter()
  await database.db
    .collection('custom_user_data_app_services_users')
    .deleteOne({ _id: new BSON.ObjectId(id) })
  const writes = [
    ['insertOne', { document: { a: 1 } }],
    ['updateOne', { query: {}, update: { $set: { a: 1 } }, upsert: true }],
    ['findOneAndReplace', { filter: {}, update: { a: 1 }, upsert: true }],
  ] as const
  for (const [name, args] of writes)
    expect(await sendOperation(service, user, name, args)).toMatchObject({
      status: 401,
      body: { error_code: 'InvalidSession' },
    })
  expect(await stored(id)).toEqual([])
})
